static int budget = 100;
int work(int x) {
  return --budget > 0 ? x : -1;
}
