/*
 * Three functions, called all the time by several threads, and all answers on request.
 *
 *     answers THREADS [busy]
 *
 * `busy`: the first thread never sleeps either, but looks for input between its calls.
 *
 * To each line of input it answers `one 1 two 2 three 3`, or with the new values 11, 22, 33, or 111,
 * 222, 333 of a second hotpatch. Any other value ends the program.
 *
 * `noipa`: the tests write new functions by hand, so callers may expect no more of them than the
 * ABI says. With -fipa-ra the loop below keeps its count in a register that `getpid` overwrites.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FUNCTION(name, number) \
  __attribute__((noipa)) int name(void) { \
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

static void call_all(int times) {
  while (times-- > 0) {
    check(one(), 1);
    check(two(), 2);
    check(three(), 3);
  }
}

static void *worker(void *unused) {
  for (;;) {
    call_all(100);
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
  if (argc > 2) fcntl(0, F_SETFL, O_NONBLOCK);
  for (;;) {
    ssize_t size = read(0, line, sizeof line);
    if (size == 0) return 0;
    if (size < 0) call_all(10000);
    else printf("one %d two %d three %d\n", check(one(), 1), check(two(), 2), check(three(), 3));
  }
}
