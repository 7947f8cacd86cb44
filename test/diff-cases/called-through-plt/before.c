// flags: -fPIC -fplt
int helper(int);
int external(int);
int helper(int value) { return value + 1; }
int use(int value) { return helper(value) + external(value); }
