int one(int x) { return x + 1; }
int two(int x) { return x + 2; }
int (*handlers[4])(int) = {one, two};
