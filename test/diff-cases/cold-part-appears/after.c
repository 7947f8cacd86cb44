void fail(const char *) __attribute__((cold, noreturn));
int guard(int value) { if (value < 0) fail("negative"); return value + 1; }
