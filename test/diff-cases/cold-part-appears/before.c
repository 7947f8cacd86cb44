void fail(const char *) __attribute__((cold, noreturn));
int guard(int value) { return value + 1; }
