/*
 * A process whose seccomp filter kills it for the system calls that a hotpatch needs.
 *
 *     filtered THREADS
 *
 * To each line of input it answers `value N`; to `mmap` it makes that call, which is its end.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("" ::: "memory");
  return x + 1;
}

#define KILL_ON(call) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static struct sock_filter rules[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    KILL_ON(memfd_create), KILL_ON(ftruncate), KILL_ON(mmap),   KILL_ON(munmap),
    KILL_ON(madvise),      KILL_ON(mprotect),  KILL_ON(close),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void *worker(void *unused) {
  for (;;) {
    int answer = value(1);
    if (answer != 2 && answer != 102) abort();
    usleep(500);
  }
  return unused;
}

int main(int argc, char **argv) {
  static char out[4096], in[4096];
  setvbuf(stdout, out, _IOLBF, sizeof out);
  setvbuf(stdin, in, _IOLBF, sizeof in);
  for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, NULL)) return 1;
  }
  struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
    return perror("filtered"), 1;
  char line[64];
  printf("ready %d\n", getpid());
  while (fgets(line, sizeof line, stdin)) {
    if (!strcmp(line, "mmap\n"))
      mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("value %d\n", value(1));
  }
  return 0;
}
