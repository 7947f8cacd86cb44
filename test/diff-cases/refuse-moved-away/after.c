int helper(int x);
int use(int x) { return helper(x) * 2; }
