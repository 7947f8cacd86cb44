int limit(int x) {
  return x > 10 ? 10 : x;
}
int twice(int x) { return 2 * x; }
