/* The target of the benchmarks: its main thread reads CLOCK_MONOTONIC in a loop and keeps the
   longest gap between two readings; N-1 further threads sleep 10 ms and call the function.

   Commands on standard input, one letter each:
     r  forget the longest gap        g  print it in nanoseconds
     c  print nanoseconds per call    q  end

   It ends by itself after ten minutes, for it leaves nothing to others on its processor. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LIFE_NS 600000000000u

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("" ::: "memory");
  return x + 1;
}

static inline uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *sleeper(void *unused) {
  (void)unused;
  struct timespec pause = {0, 10000000};
  for (;;) {
    nanosleep(&pause, NULL);
    value(1);
  }
  return NULL;
}

static double nanoseconds_per_call(void) {
  double best = 1e9;
  for (int round = 0; round < 20; round++) {
    enum { CALLS = 1000000 };
    uint64_t start = now();
    for (int i = 0; i < CALLS; i++) value(i);
    double each = (double)(now() - start) / CALLS;
    if (each < best) best = each;
  }
  return best;
}

static void be_real_time(int priority) {
  struct sched_param parameter = {.sched_priority = priority};
  if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter) != 0)
    fprintf(stderr, "no real-time scheduling: the figures will be noisy\n");
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  cpu_set_t others; /* The main thread leaves no time to others on its processor. */
  CPU_ZERO(&others);
  for (int cpu = 1; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) CPU_SET(cpu, &others);
  if (CPU_COUNT(&others) > 0) pthread_attr_setaffinity_np(&small, sizeof others, &others);
  for (int i = 1; i < threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, &small, sleeper, NULL) != 0) return 1;
  }
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  sched_setaffinity(0, sizeof first, &first);
  be_real_time(10);
  fcntl(0, F_SETFL, O_NONBLOCK);
  printf("ready\n");
  fflush(stdout);
  uint64_t longest = 0, before = now(), asked = before, begin = before;
  for (;;) {
    uint64_t current = now();
    if (current - before > longest) longest = current - before;
    before = current;
    if (current - asked < 1000000) continue;
    asked = current;
    char command;
    ssize_t got = read(0, &command, 1);
    if (got == 0 || (got == 1 && command == 'q')) return 0;
    if (current - begin > LIFE_NS) return 1;
    if (got == 1) {
      if (command == 'g') printf("%lu\n", longest);
      if (command == 'r') printf("ok\n");
      if (command == 'c') printf("%.4f\n", nanoseconds_per_call());
      fflush(stdout);
      longest = 0;
      value(1);
    }
    before = now();
  }
}
