int puts(const char *);
static int state;
__attribute__((noinline)) static void bump(int x) {
  state += puts("bump");
}
long total(long a, long b, long c) {
  bump(a);
  return a * b + c;
}
int plain(void) { bump(1); return 0; }
