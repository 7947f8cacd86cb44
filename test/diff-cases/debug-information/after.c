// flags: -g
int puts(const char *);
int work(int x) {
  return puts("new") + x;
}
int other(int x) { return puts("other") + x; }
