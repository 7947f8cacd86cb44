int old(int x) { return x * 3; }
