#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct session *sessions;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct session *session_open(const char *name)
{
  struct session *session = calloc(1, sizeof *session);
  if (!session) return NULL;
  strncpy(session->name, name, sizeof session->name - 1);
  pthread_mutex_lock(&lock);
  session->next = sessions;
  sessions = session;
  pthread_mutex_unlock(&lock);
  return session;
}

struct session *session_find(const char *name)
{
  struct session *session;
  pthread_mutex_lock(&lock);
  for (session = sessions; session; session = session->next)
    if (strcmp(session->name, name) == 0) break;
  pthread_mutex_unlock(&lock);
  return session;
}

void session_close(struct session *session)
{
  struct session **at;
  pthread_mutex_lock(&lock);
  for (at = &sessions; *at != session; at = &(*at)->next)
    ;
  *at = session->next;
  pthread_mutex_unlock(&lock);
  free(session);
}

int session_login(struct session *session, const char *password)
{
  if (strlen(session->name) == 0) return 0;
  return strcmp(password, "sesame") == 0;
}
