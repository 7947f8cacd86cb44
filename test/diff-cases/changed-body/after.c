int limit(int x) {
  return x > 20 ? 20 : x;
}
int twice(int x) { return 2 * x; }
