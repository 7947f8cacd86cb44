static int state;
__attribute__((noinline)) static void bump(int x) {
  int i; for (i = 0; i < x; i++) state ^= (state << 3) + i * x;
}
long total(long a, long b, long c) {
  bump(a);
  return a * b + c;
}
