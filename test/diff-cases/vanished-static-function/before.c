int putchar(int);
__attribute__((noinline)) static int old_way(int x) { return putchar(x) * 3; }
int work(int x) {
  return old_way(x);
}
