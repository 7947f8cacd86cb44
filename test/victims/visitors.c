/*
 * A function that hotpatches replace, called once for each line of input.
 *
 *     visitors [THREADS]
 *
 * It answers `visits N seen M`: what the function returned, and what the program's own pointer points
 * to, which only a hotpatch sets. To a line that begins with t it answers `trace TEXT`, the text that
 * callbacks of hotpatches wrote. The further threads sleep and count.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int *remembered;
char trace[256];
volatile long counted;

__attribute__((noinline, noclone)) int visit(void) {
  __asm__ volatile("nop; nop; nop; nop" ::: "memory");
  return 0;
}

static void *worker(void *unused) {
  for (;;) {
    __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
    usleep(500);
  }
  return unused;
}

int main(int argc, char **argv) {
  char line[64];
  int threads = argc > 1 ? atoi(argv[1]) : 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (; threads > 0; threads--) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, NULL)) return 1;
  }
  printf("ready %d\n", getpid());
  while (read(0, line, sizeof line) > 0) {
    if (line[0] == 't') {
      printf("trace %s\n", trace);
      continue;
    }
    int visits = visit();
    printf("visits %d seen %d\n", visits, remembered ? *remembered : -1);
  }
  return 0;
}
