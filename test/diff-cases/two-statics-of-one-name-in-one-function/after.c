int work(int x) {
  if (x) {
    static int seen;
    return seen += 2;
  } else {
    static int seen;
    return --seen;
  }
}
