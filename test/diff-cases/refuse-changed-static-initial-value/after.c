int next(void) {
  static int seed = 11;
  return seed++;
}
