int printf(const char *, ...);
int report(int x) {
  return printf("value %d\n", x);
}
int keep(int x) { return printf("keep %d\n", x); }
