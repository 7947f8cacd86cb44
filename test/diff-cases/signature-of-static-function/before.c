__attribute__((noinline)) static int copy(char *to, const char *from) { int n = 0; while ((*to++ = *from++)) n++; return n; }
int twice(char *to, const char *from) { return copy(to, from) + copy(to + 10, from); }
int none(void) { return 0; }
