/*
 * Sessions that log in with a password, as often as they like: the fault that the fix mends.
 *
 *     server [THREADS]
 *
 * `open NAME`, `login NAME PASSWORD` and `close NAME`, one a line; each is answered in a line. Each of
 * the threads opens a session, tries seven wrong passwords and then the right one, and closes it;
 * `count` answers how often they got in and how often not.
 */
#include "session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long admitted, rejected;

static void *worker(void *number)
{
  char name[24];
  snprintf(name, sizeof name, "worker %ld", (long)number);
  for (;;) {
    struct session *session = session_open(name);
    for (int attempt = 0; attempt < 7; attempt++) session_login(session, "wrong");
    long *count = session_login(session, "sesame") ? &admitted : &rejected;
    __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    session_close(session);
    usleep(200);
  }
  return number;
}

static void answer(char *line)
{
  char *command = strtok(line, " \n"), *name = strtok(NULL, " \n"), *password = strtok(NULL, " \n");
  struct session *session = name ? session_find(name) : NULL;
  if (!command) return;
  if (strcmp(command, "count") == 0) printf("admitted %ld rejected %ld\n", admitted, rejected);
  else if (name && strcmp(command, "open") == 0) puts(session_open(name) ? "opened" : "failed");
  else if (!session) puts("no session");
  else if (password) puts(session_login(session, password) ? "welcome" : "wrong");
  else {
    session_close(session);
    puts("closed");
  }
}

int main(int argc, char **argv)
{
  char line[128];
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (long number = argc > 1 ? atol(argv[1]) : 0; number > 0; number--) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, (void *)number)) return 1;
  }
  printf("ready %d\n", getpid());
  while (fgets(line, sizeof line, stdin)) answer(line);
  return 0;
}
