int puts(const char *);
static int state;
__attribute__((noinline)) static void bump(int x) {
  int i; for (i = 0; i < x; i++) state ^= (state << 3) + i * x;
}
int plain(int x) {
  puts("plain");
  bump(x);
  return state;
}
