static const char *const names[] = {"read", "write", "close"};
struct command { const char *const *names; int count; };
static const struct command commands[] = {{names, 2}, {names, 3}};
const char *first(int i) { return commands[i & 1].names[0]; }
int count(int i) {
  return commands[i & 1].count + 1;
}
