int total;
int helper(int value) { return value + total; }
int use(int value) { return helper(value) * 2; }
