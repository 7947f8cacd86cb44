__attribute__((noinline, noipa)) int helper(int x) { return x * 4; }
int use(int x) { return helper(x); }
