/*
 * Threads that call value() all the time, for many cycles of apply and revert.
 *
 *     cycles BUSY NAPPING
 *
 * BUSY threads never sleep, NAPPING ones do after every call. Each counts how often the answer
 * changed from old to new; any other answer than these two ends the program. To each line of
 * input it answers with a call of its own and the counts:
 *
 *     value 2 calls 123456 least 17 most 17
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OLD = 2, NEW = 102, THREADS_MAX = 64, CALLS_A_ROUND = 20 };

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("" ::: "memory");
  return x + 1;
}

static struct {
  _Alignas(64) atomic_long calls;
  atomic_long changes;
} seen[THREADS_MAX];
static atomic_long work;

static void call(int thread, int *last) {
  int answer = value(1);
  if (answer != OLD && answer != NEW) {
    printf("wrong %d\n", answer);
    fflush(stdout);
    abort();
  }
  if (answer == NEW && *last == OLD) atomic_fetch_add(&seen[thread].changes, 1);
  *last = answer;
  atomic_fetch_add_explicit(&seen[thread].calls, 1, memory_order_relaxed);
}

static void *busy(void *number) {
  int thread = (int)(long)number, last = OLD;
  for (;;) {
    for (int i = 0; i < CALLS_A_ROUND; i++) call(thread, &last);
    for (int i = 0; i < 200; i++) atomic_fetch_add_explicit(&work, 1, memory_order_relaxed);
  }
}

static void *napping(void *number) {
  int thread = (int)(long)number, last = OLD;
  for (;;) {
    call(thread, &last);
    usleep(500);
  }
}

int main(int argc, char **argv) {
  int busies = argc > 1 ? atoi(argv[1]) : 1, nappers = argc > 2 ? atoi(argv[2]) : 1;
  int threads = busies + nappers;
  if (threads < 1 || threads > THREADS_MAX) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (long i = 0; i < threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, i < busies ? busy : napping, (void *)i)) return 1;
  }
  char line[64];
  printf("ready %d\n", getpid());
  while (fgets(line, sizeof line, stdin)) {
    long calls = 0, least = -1, most = 0;
    for (int i = 0; i < threads; i++) {
      long changes = atomic_load(&seen[i].changes);
      calls += atomic_load(&seen[i].calls);
      if (least < 0 || changes < least) least = changes;
      if (changes > most) most = changes;
    }
    printf("value %d calls %ld least %ld most %ld\n", value(1), calls, least, most);
  }
  return 0;
}
