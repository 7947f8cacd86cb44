/* Calls value() without end in several threads; prints what the main thread sees change.
   Any answer other than the old or the new one is printed as an error and ends the program. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int counter = 0;
__attribute__((noinline)) int bump(void) { return ++counter; }

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("" ::: "memory");
  return x + 1;
}

static atomic_int stop_all;
static int wanted_old, wanted_new;

static void check(int seen) {
  if (seen != wanted_old && seen != wanted_new) {
    printf("wrong %d\n", seen);
    fflush(stdout);
    abort();
  }
}

static void *worker(void *unused) {
  (void)unused;
  while (!atomic_load(&stop_all)) {
    for (int i = 0; i < 1000; i++) check(value(1));
    usleep(1000);
  }
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 0;
  wanted_old = 2;
  wanted_new = 102;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < threads; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, worker, NULL);
  }
  int last = 0;
  printf("ready %d\n", getpid());
  for (;;) {
    int seen = value(1);
    check(seen);
    if (seen != last) printf("value %d\n", seen);
    last = seen;
    usleep(200);
    bump();
  }
}
