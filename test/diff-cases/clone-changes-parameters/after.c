int printf(const char *, ...);
__attribute__((noinline)) static int show(int x, int y, int z) {
  return printf("%d", x + z);
}
int two(int x) { return show(x, x * 7, x * 9); }
int three(int x) { return show(x + 1, x * 3, x * 11); }
