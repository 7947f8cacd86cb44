int one(int x) { return x + 1; }
int (*handlers[4])(int) = {one};
