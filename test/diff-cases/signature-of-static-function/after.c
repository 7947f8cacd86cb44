__attribute__((noinline)) static int copy(char *to, const char *from, int room) { int n = 0; while (n < room && (*to++ = *from++)) n++; return n; }
int twice(char *to, const char *from) { return copy(to, from, 5) + copy(to + 10, from, 7); }
int none(void) { return 0; }
