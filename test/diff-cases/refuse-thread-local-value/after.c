__thread int depth = 2;
int enter(int x) { return x + depth++; }
