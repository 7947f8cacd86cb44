int work(int x) {
  if (x) {
    static int seen;
    return ++seen;
  } else {
    static int seen;
    return --seen;
  }
}
