// flags: -fPIC
int limit = 3;
int get(int x) { return x > limit; }
