static const char *const names[] = {"a", "b", "c"};
const char *name(int i) {
  return i < sizeof names / sizeof *names ? names[i] : "?";
}
int other(int i) { return i * 5; }
