int puts(const char *);
int first(void) {
  static int once;
  return once++ ? 0 : puts("first");
}
int counter(void) {
  static int calls;
  return ++calls;
}
int limiter(void) {
  static int limit = 10;
  return --limit;
}
