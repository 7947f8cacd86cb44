static int state;
__attribute__((noinline)) static void bump(int x) {
  state += x;
}
long total(long a, long b, long c) {
  bump(a);
  return a * b + c;
}
