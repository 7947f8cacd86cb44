double scale(double x) {
  return x * 2.5 + 7.25;
}
double other(double x) { return x * 7.25 + 2.5; }
