int puts(const char *);
int putchar(int);
__attribute__((noinline)) static int checked(int x) {
  if (x < 0) putchar('!');
  return x & 0xff;
}
int parse(int x) {
  return checked(x) + 1;
}
int other(int x) { return puts("other") + x; }
