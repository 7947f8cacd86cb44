int printf(const char *, ...);
__attribute__((noinline)) static int early(int x, int y) { return printf("%d early %d", x, y); }
__attribute__((noinline)) static int show(int x, int y) { return printf("%d %d", x, y); }
int one(int x) {
  return early(x, 4);
}
int two(int x) { return show(x, 7); }
int three(int x) { return show(x + 1, 7); }
