/*
 * Signals in quick succession, every one of them accounted for.
 *
 *     storm
 *
 * A timer expires each millisecond; expirations that were merged into one signal are what
 * timer_getoverrun tells. A child queues numbered real-time signals, which are never merged. Two
 * threads take the signals and call value() meanwhile. A line of input ends the storm:
 *
 *     expired 2001 of 2000 handled 1950 queued 5000 taken 5000 missing 0 calls 123456
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_NS = 1000000, QUEUED_AT_ONCE_MAX = 4 };

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("" ::: "memory");
  return x + 1;
}

static timer_t timer;
static atomic_long handled, expired, taken, numbers, calls;
static atomic_int end;
static struct {
  atomic_long queued, taken;
  atomic_int end;
} *shared;

static void on_timer(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  atomic_fetch_add(&handled, 1);
  atomic_fetch_add(&expired, 1 + info->si_overrun);
}

/* Two threads take them, so a later one may overtake; the sum of all numbers tells of losses. */
static void on_queued(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  atomic_fetch_add(&taken, 1);
  atomic_fetch_add(&numbers, info->si_value.sival_int);
  atomic_fetch_add(&shared->taken, 1);
}

static void *worker(void *unused) {
  while (!atomic_load(&end)) {
    for (int i = 0; i < 100; i++) {
      int answer = value(1);
      if (answer != 2 && answer != 102) printf("wrong %d\n", answer), abort();
      atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    }
    usleep(300);
  }
  return unused;
}

static void send_signals(pid_t to) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int number = 0;
  while (!atomic_load(&shared->end)) {
    /* A process that always has signals waiting has no moment for an injected call. */
    while (atomic_load(&shared->queued) - atomic_load(&shared->taken) > QUEUED_AT_ONCE_MAX)
      usleep(50);
    if (sigqueue(to, SIGRTMIN + 1, (union sigval){.sival_int = number + 1}) == 0) {
      number++;
      atomic_fetch_add(&shared->queued, 1);
    }
    usleep(700);
  }
  _exit(0);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct sigaction on = {.sa_flags = SA_SIGINFO | SA_RESTART};
  on.sa_sigaction = on_timer;
  sigaction(SIGALRM, &on, NULL);
  on.sa_sigaction = on_queued;
  sigaction(SIGRTMIN + 1, &on, NULL);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    if (pthread_create(&threads[i], NULL, worker, NULL)) return 1;
  pid_t self = getpid(), child = fork();
  if (child == 0) send_signals(self);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  struct itimerspec each = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer)) return perror("storm"), 1;
  double start = now();
  timer_settime(timer, 0, &each, NULL);
  printf("ready %d\n", self);
  char line[16];
  if (!fgets(line, sizeof line, stdin)) return 1;
  timer_settime(timer, 0, &(struct itimerspec){0}, NULL);
  double milliseconds = (now() - start) / INTERVAL_NS;
  atomic_store(&shared->end, 1);
  waitpid(child, NULL, 0);
  long queued = atomic_load(&shared->queued);
  while (atomic_load(&taken) < queued) usleep(100);
  atomic_store(&end, 1);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  /* The numbers were 1 to queued. */
  long missing = queued * (queued + 1) / 2 - atomic_load(&numbers);
  printf("expired %ld of %.0f handled %ld queued %ld taken %ld missing %ld calls %ld\n",
         atomic_load(&expired), milliseconds, atomic_load(&handled), queued, atomic_load(&taken),
         missing, atomic_load(&calls));
  return 0;
}
