/*
 * Three functions, called all the time by several threads, and all answers on request.
 *
 *     answers THREADS
 *
 * To each line of input it answers `one 1 two 2 three 3`, or with the new values 11, 22, 33, or 111,
 * 222, 333 of a second hotpatch. Any other value ends the program.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FUNCTION(name, number) \
  __attribute__((noinline, noclone)) int name(void) { \
    __asm__ volatile("" ::: "memory"); \
    return number; \
  }
FUNCTION(one, 1)
FUNCTION(two, 2)
FUNCTION(three, 3)

static int check(int answer, int old) {
  if (answer == old || answer == old * 11 || answer == old * 111) return answer;
  printf("wrong %d\n", answer);
  fflush(stdout);
  abort();
}

static void *worker(void *unused) {
  for (;;) {
    for (int i = 0; i < 100; i++) {
      check(one(), 1);
      check(two(), 2);
      check(three(), 3);
    }
    usleep(1000);
  }
  return unused;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, NULL)) return 1;
  }
  char line[64];
  printf("ready %d\n", getpid());
  while (fgets(line, sizeof line, stdin))
    printf("one %d two %d three %d\n", check(one(), 1), check(two(), 2), check(three(), 3));
  return 0;
}
