int getchar(void);
__attribute__((noinline)) int one(int x) { return getchar() * 3 + x; }
__attribute__((noinline)) int two(int x) { return getchar() * 4 + x; }
