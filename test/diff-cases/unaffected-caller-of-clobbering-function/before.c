int puts(const char *);
static int state;
__attribute__((noinline)) static void bump(int x) {
  state += x;
}
int plain(int x) {
  puts("plain");
  bump(x);
  return state;
}
