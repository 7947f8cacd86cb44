/*
 * One thread in one system call, again and again, and what the call returned.
 *
 *     calls NAME MILLISECONDS        0 milliseconds: without end
 *
 * Prints `ready PID NUMBER` (NUMBER: the system call's) and after each call
 *
 *     returned RESULT ERRNO MICROSECONDS handled COUNT
 *
 * A second process does to the first what each line of input says: `release` lets the call end as
 * it should, by a byte, a post or whatever it waits for. SIGUSR1 has a handler without SA_RESTART,
 * SIGUSR2 one with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("nop; nop; nop" ::: "memory"); /* room for a jump */
  return x + 1;
}

/* Shared with the second process. */
static struct {
  sem_t semaphore;
  int futex;
} *shared;
static int milliseconds, pipes[2], sockets[2], listener, epoll, semaphores, messages;
static pid_t child, self;
static volatile sig_atomic_t handled;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct timespec duration, deadline;
static sigset_t waited;

static void on_signal(int signal) {
  (void)signal;
  handled++;
}

static struct pollfd pollable(void) { return (struct pollfd){.fd = pipes[0], .events = POLLIN}; }

static int read_byte(int fd) {
  char byte;
  return (int)read(fd, &byte, 1);
}

static int call_read(void) { return read_byte(pipes[0]); }
static int call_poll(void) {
  struct pollfd fd = pollable();
  return poll(&fd, 1, milliseconds ? milliseconds : -1);
}
static int call_ppoll(void) {
  struct pollfd fd = pollable();
  return ppoll(&fd, 1, milliseconds ? &duration : NULL, NULL);
}
static int call_select(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipes[0], &set);
  struct timeval time = {duration.tv_sec, duration.tv_nsec / 1000};
  return select(pipes[0] + 1, &set, NULL, NULL, milliseconds ? &time : NULL);
}
static int call_nanosleep(void) { return nanosleep(&duration, NULL); }
static int call_clock_nanosleep(void) {
  errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
  return errno ? -1 : 0;
}
static int call_clock_nanosleep_until(void) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += duration.tv_nsec;
  until.tv_sec += duration.tv_sec + until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  return errno ? -1 : 0;
}
static int call_sem_wait(void) { return sem_wait(&shared->semaphore); }
static int call_sem_timedwait(void) { return sem_timedwait(&shared->semaphore, &deadline); }
static int call_futex(void) {
  return (int)syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, milliseconds ? &duration : NULL);
}
static int call_epoll_wait(void) {
  struct epoll_event event;
  return epoll_wait(epoll, &event, 1, milliseconds ? milliseconds : -1);
}
static int call_epoll_pwait(void) {
  struct epoll_event event;
  sigset_t none;
  sigemptyset(&none);
  return epoll_pwait(epoll, &event, 1, milliseconds ? milliseconds : -1, &none);
}
static int call_semop(void) {
  struct sembuf down = {.sem_num = 0, .sem_op = -1};
  return semop(semaphores, &down, 1);
}
static int call_semtimedop(void) {
  struct sembuf down = {.sem_num = 0, .sem_op = -1};
  return semtimedop(semaphores, &down, 1, &duration);
}
static int call_sigwaitinfo(void) { return sigwaitinfo(&waited, NULL) == SIGRTMIN ? 1 : -1; }
static int call_sigtimedwait(void) {
  return sigtimedwait(&waited, NULL, &duration) == SIGRTMIN ? 1 : -1;
}
static int call_accept(void) {
  int fd = accept(listener, NULL, NULL);
  return fd < 0 ? -1 : (close(fd), 1);
}
static int call_recv(void) {
  char byte;
  return (int)recv(sockets[0], &byte, 1, 0);
}
static int call_msgrcv(void) {
  struct {
    long type;
    char byte;
  } message;
  return (int)msgrcv(messages, &message, 1, 0, 0);
}
static int call_waitpid(void) { return waitpid(child, NULL, 0) == child ? 1 : -1; }
static int call_pause(void) { return pause(); }
static const struct {
  const char *name;
  int (*call)(void);
  int number;
} calls[] = {
    {"read", call_read, SYS_read},
    {"poll", call_poll, SYS_poll},
    {"ppoll", call_ppoll, SYS_ppoll},
    {"select", call_select, SYS_pselect6},
    {"nanosleep", call_nanosleep, SYS_clock_nanosleep},
    {"clock_nanosleep", call_clock_nanosleep, SYS_clock_nanosleep},
    {"clock_nanosleep_until", call_clock_nanosleep_until, SYS_clock_nanosleep},
    {"sem_wait", call_sem_wait, SYS_futex},
    {"sem_timedwait", call_sem_timedwait, SYS_futex},
    {"futex", call_futex, SYS_futex},
    {"epoll_wait", call_epoll_wait, SYS_epoll_wait},
    {"epoll_pwait", call_epoll_pwait, SYS_epoll_pwait},
    {"semop", call_semop, SYS_semtimedop},
    {"semtimedop", call_semtimedop, SYS_semtimedop},
    {"sigwaitinfo", call_sigwaitinfo, SYS_rt_sigtimedwait},
    {"sigtimedwait", call_sigtimedwait, SYS_rt_sigtimedwait},
    {"accept", call_accept, SYS_accept},
    {"recv", call_recv, SYS_recvfrom},
    {"msgrcv", call_msgrcv, SYS_msgrcv},
    {"waitpid", call_waitpid, SYS_wait4},
    {"pause", call_pause, SYS_pause},
};

/* Semaphores and messages outlive the processes that use them. */
static void on_end(int signal) {
  (void)signal;
  semctl(semaphores, 0, IPC_RMID);
  msgctl(messages, IPC_RMID, NULL);
  _exit(0);
}

static void release(const char *name) {
  struct sembuf up = {.sem_num = 0, .sem_op = 1};
  struct {
    long type;
    char byte;
  } message = {1, 'm'};
  if (!strncmp(name, "sem_", 4)) sem_post(&shared->semaphore);
  else if (!strcmp(name, "futex")) syscall(SYS_futex, &shared->futex, FUTEX_WAKE, 1);
  else if (!strncmp(name, "sem", 3)) semop(semaphores, &up, 1);
  else if (!strncmp(name, "sig", 3)) kill(self, SIGRTMIN);
  else if (!strcmp(name, "pause")) kill(self, SIGUSR1);
  else if (!strcmp(name, "recv")) send(sockets[1], "r", 1, 0);
  else if (!strcmp(name, "msgrcv")) msgsnd(messages, &message, 1, 0);
  else if (!strcmp(name, "waitpid")) on_end(0);
  else if (!strcmp(name, "accept")) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) perror("connect");
    close(fd);
  } else if (write(pipes[1], "w", 1) != 1) perror("write");
}

static void prepare(void) {
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sem_init(&shared->semaphore, 1, 0);
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  messages = msgget(IPC_PRIVATE, 0600);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "suture-calls-%d", self);
  struct epoll_event event = {.events = EPOLLIN};
  struct timeval time = {duration.tv_sec, duration.tv_nsec / 1000};
  if (pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) ||
      bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 5) ||
      setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) ||
      (epoll = epoll_create1(0)) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event))
    perror("calls"), exit(1);
  sigemptyset(&waited);
  sigaddset(&waited, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &waited, NULL);
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
  sigaction(SIGUSR2, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART}, NULL);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
  size_t which = 0, count = sizeof calls / sizeof calls[0];
  if (argc != 3) return 2;
  while (which < count && strcmp(calls[which].name, argv[1])) which++;
  if (which == count) return 2;
  self = getpid();
  milliseconds = atoi(argv[2]);
  duration = (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L};
  setvbuf(stdout, NULL, _IOLBF, 0);
  prepare();
  child = fork();
  if (child == 0) {
    signal(SIGTERM, on_end);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    char line[64];
    while (fgets(line, sizeof line, stdin)) release(argv[1]);
    pause();
  }
  printf("ready %d %d\n", self, calls[which].number);
  for (;;) {
    double start = now();
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += duration.tv_nsec;
    deadline.tv_sec += duration.tv_sec + deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    errno = 0;
    int result = calls[which].call();
    int error = result < 0 ? errno : 0;
    printf("returned %d %d %.0f handled %d\n", result, error, now() - start, (int)handled);
    if (!strcmp(argv[1], "waitpid")) pause();
    char rest[16];
    if (result == 1 && strstr("poll ppoll select epoll_wait epoll_pwait", argv[1]))
      if (read(pipes[0], rest, 1) != 1) return 1;
  }
}
