static __attribute__((noinline, noipa)) int helper(int x) { return x * 3; }
int use(int x) { return helper(x); }
