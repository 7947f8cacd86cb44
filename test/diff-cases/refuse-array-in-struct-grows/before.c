struct session { char user[32]; int state; };
int state_of(struct session *session) { return session->state; }
void rename_user(struct session *session, const char *name)
{
  int at = 0;
  for (; at < (int)sizeof session->user - 1 && name[at]; at++) session->user[at] = name[at];
  session->user[at] = 0;
}
