int puts(const char *);
int first(void) {
  return puts("first");
}
int counter(void) {
  static int calls;
  return ++calls;
}
int limiter(void) {
  static int limit = 10;
  return --limit;
}
