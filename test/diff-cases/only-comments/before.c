/* one comment */
int work(int x) { return x + 1; }
