// flags: -g
int puts(const char *);
int work(int x) {
  return puts("old") + x;
}
int other(int x) { return puts("other") + x; }
