extern int hook(int) __attribute__((weak));
int work(int x) {
  return hook ? hook(x) : x;
}
