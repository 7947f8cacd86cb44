/*
 * What every trigger in C has in common. A trigger defines `misbehaves`, which does what the fault
 * needs and returns 0 when all is as it should be. Each line of the input is a question: the trigger
 * runs in a child, which has the code that the process has at that moment, hotpatches included. The
 * answer is a line `right` or `wrong`, or `unable` where the trigger itself could not be run.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returned by `misbehaves` where it could not get as far as the fault. */
#define UNABLE 2

#define LIMIT_SECONDS 10

static int misbehaves(void);

/* Zeroed memory that ends right before a page that nobody may touch. */
__attribute__((unused)) static void *guarded(size_t size) {
  size_t rounded = (size + 4095) & ~(size_t)4095;
  char *start = mmap(NULL, rounded + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || mprotect(start + rounded, 4096, PROT_NONE) != 0) _exit(UNABLE);
  return start + rounded - size;
}

/* Gives such memory back: from now on nobody may touch it. */
__attribute__((unused)) static void forbid(void *memory) {
  if (memory != NULL) mprotect((void *)((uintptr_t)memory & ~(uintptr_t)4095), 4096, PROT_NONE);
}

int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  while (fgets(line, sizeof line, stdin) != NULL) {
    pid_t child = fork();
    if (child == 0) {
      setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
      alarm(LIMIT_SECONDS);
      _exit(misbehaves());
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
      puts("unable: no child");
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
      puts("wrong: hangs");
    else if (WIFSIGNALED(status))
      printf("wrong: %s\n", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == UNABLE)
      puts("unable: the trigger did not get as far as the fault");
    else
      puts(WEXITSTATUS(status) == 0 ? "right: as it should be" : "wrong: wrong result");
  }
  return 0;
}
