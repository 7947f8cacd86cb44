int puts(const char *);
int putchar(int);
int parse(int x) {
  return x + 1;
}
int other(int x) { return puts("other") + x; }
