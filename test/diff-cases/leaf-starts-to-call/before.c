int puts(const char *);
static int state;
__attribute__((noinline)) static void bump(int x) {
  state += x;
}
long total(long a, long b, long c) {
  bump(a);
  return a * b + c;
}
void plain(int x) { bump(x * 3); state++; }
