/*
 * A program of any shape: the function may stand in it, or in a library that it links or opens.
 *
 *     shapes [WORD]...       library PATH, leader-ends, churn, threads NUMBER
 *
 * To each line of input it answers `value N`; to `fork` it prints `child PID`, and that child
 * answers `child N` to each SIGUSR1. Compiled with -DLINKED it takes value() from elsewhere.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifdef LINKED
int value(int x);
#else
__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("nop; nop; nop" ::: "memory");
  return x + 1;
}
#endif

static int (*volatile call)(int) = value;
static atomic_long threads_born;

static int checked(void) {
  int answer = call(1);
  if (answer != 2 && answer != 102 && answer != 1002) printf("wrong %d\n", answer), abort();
  return answer;
}

static void *sleeper(void *unused) {
  for (;;) {
    checked();
    usleep(20000);
  }
  return unused;
}

static void *shortlived(void *unused) {
  checked();
  atomic_fetch_add(&threads_born, 1);
  return unused;
}

static void *churner(void *unused) {
  for (;;) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
      if (pthread_create(&threads[i], NULL, shortlived, NULL)) abort();
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  }
  return unused;
}

static void on_signal(int signal) {
  (void)signal;
  char text[32];
  int size = snprintf(text, sizeof text, "child %d\n", checked());
  if (write(1, text, (size_t)size) != size) _exit(1);
}

static void be_child(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGUSR1, on_signal);
  printf("forked %d\n", getpid());
  for (;;) pause();
}

static void *serve(void *unused) {
  char line[64];
  printf("ready %d\n", getpid());
  while (fgets(line, sizeof line, stdin)) {
    if (!strcmp(line, "fork\n")) {
      if (fork() == 0) be_child();
    } else if (!strcmp(line, "born\n")) printf("born %ld\n", atomic_load(&threads_born));
    else printf("value %d\n", checked());
  }
  exit(0);
  return unused;
}

static void start(void *(*run)(void *)) {
  pthread_t thread;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  if (pthread_create(&thread, &small, run, NULL)) abort();
}

int main(int argc, char **argv) {
  static char out[4096], in[4096];
  setvbuf(stdout, out, _IOLBF, sizeof out);
  setvbuf(stdin, in, _IOLBF, sizeof in);
  int leader_ends = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "leader-ends")) leader_ends = 1;
    else if (!strcmp(argv[i], "churn")) start(churner);
    else if (!strcmp(argv[i], "threads"))
      for (int left = atoi(argv[++i]); left > 0; left--) start(sleeper);
#ifdef OPENED
    else if (!strcmp(argv[i], "library")) {
      void *library = dlopen(argv[++i], RTLD_NOW);
      if (!library) return puts(dlerror()), 1;
      *(void **)&call = dlsym(library, "value");
    }
#endif
  }
  if (leader_ends) {
    start(serve);
    pthread_exit(NULL);
  }
  serve(NULL);
  return 0;
}
