int verbose;
int work(int x) {
  if (verbose) x++;
  return x;
}
