int next(void) {
  static int seed = 10;
  return seed++;
}
