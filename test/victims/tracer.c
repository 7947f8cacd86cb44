/* Traces a process, as a debugger does, until it is killed: tracer PID */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 2 || ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0)) return perror("tracer"), 1;
  printf("ready %d\n", getpid());
  fflush(stdout);
  for (;;) pause();
}
