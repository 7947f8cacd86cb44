int getchar(void);
__attribute__((noinline)) int one(int x) { return getchar() * 3 + x; }
int two(int x) __attribute__((alias("one")));
