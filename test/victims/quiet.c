/*
 * A process that does nothing by itself: what is compared before and after does not change.
 *
 *     quiet [WORD]...
 *
 * WORD is a number of threads that sleep, or says what it makes of itself (see `become`). To each
 * line of input it answers `value N`; to `enter` a thread goes into hold() and stays until `leave`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("nop; nop; nop" ::: "memory");
  return x + 1;
}

/* Without room: 4 bytes, and no padding before the next. */
__asm__(
    ".globl tiny; .type tiny, @function; .p2align 4\n"
    "tiny: lea 1(%rdi), %eax\n  ret\n"
    ".size tiny, . - tiny\n"
    ".globl behind; .type behind, @function\n"
    "behind: lea 2(%rdi), %eax\n  nop\n  nop\n  ret\n"
    ".size behind, . - behind\n");
int tiny(int x);

static int doors[2];

__attribute__((noinline, noclone)) int hold(void) {
  char byte;
  long count = read(doors[0], &byte, 1);
  __asm__ volatile("" ::: "memory");
  return (int)count;
}

static void *holder(void *unused) {
  hold();
  printf("left\n");
  return unused;
}

static void *sleeper(void *unused) {
  for (;;) pause();
  return unused;
}

/* A child of vfork holds up its parent, which no signal but SIGKILL gets out of there. */
static void *parent(void *unused) {
  char byte;
  if (vfork() == 0) {
    if (read(doors[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  printf("left\n");
  return unused;
}

static void start(void *(*run)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, NULL)) abort();
}

static void limit(int resource, rlim_t to) {
  if (setrlimit(resource, &(struct rlimit){to, to})) perror("setrlimit");
}

/* Takes every free range within reach of this program's code. */
static void fill_space(void) {
  char line[512];
  unsigned long here = (unsigned long)value & ~0xffful, reach = 0x90000000ul;
  unsigned long end = here - reach, last = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (end < here + reach) {
    unsigned long first = here + reach;
    if (fgets(line, sizeof line, maps)) sscanf(line, "%lx-%lx", &first, &last);
    if (first > here + reach) first = here + reach;
    if (first > end)
      mmap((void *)end, first - end, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (last > end) end = last;
  }
  fclose(maps);
}

static void become(const char *word) {
  if (!strcmp(word, "undumpable")) prctl(PR_SET_DUMPABLE, 0);
  else if (!strcmp(word, "full")) fill_space();
  else if (!strcmp(word, "no-files")) limit(RLIMIT_NOFILE, 3);
  else if (!strcmp(word, "no-memory")) limit(RLIMIT_AS, 4096);
  else if (!strcmp(word, "no-file-size")) limit(RLIMIT_FSIZE, 0);
  else if (!strcmp(word, "blocked-signal")) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
  } else if (!strcmp(word, "writable-code")) {
    unsigned long page = (unsigned long)value & ~0xffful;
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  } else
    for (int i = atoi(word); i > 0; i--) start(sleeper);
}

int main(int argc, char **argv) {
  static char out[4096], in[4096];
  setvbuf(stdout, out, _IOLBF, sizeof out);
  setvbuf(stdin, in, _IOLBF, sizeof in);
  if (argc > 64 || pipe(doors)) return 1;
  for (int i = 1; i < argc; i++) become(argv[i]);
  char line[64];
  printf("ready %d\n", getpid());
  while (fgets(line, sizeof line, stdin)) {
    if (!strcmp(line, "enter\n")) start(holder), printf("entered\n");
    else if (!strcmp(line, "fork\n")) start(parent), printf("forking\n");
    else if (!strcmp(line, "leave\n")) {
      if (write(doors[1], "l", 1) != 1) return 1;
    } else printf("value %d\n", value(1) + tiny(0) - 1);
  }
  return 0;
}
