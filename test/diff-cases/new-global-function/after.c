int fresh(int x) { return x * 7; }
int old(int x) { return x * 3; }
