int helper(int x) { return x + 1; }
int use(int x) { return helper(x) * 2; }
