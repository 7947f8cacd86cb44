int putchar(int);
int work(int x) {
  return putchar(x);
}
