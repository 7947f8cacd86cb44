#ifndef SESSION_H
#define SESSION_H

struct session {
  char name[24];
  struct session *next;
};

struct session *session_open(const char *name);
struct session *session_find(const char *name);
void session_close(struct session *session);

/* 1 when the password is right. */
int session_login(struct session *session, const char *password);

#endif
