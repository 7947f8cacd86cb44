__thread int depth = 1;
int enter(int x) { return x + depth++; }
