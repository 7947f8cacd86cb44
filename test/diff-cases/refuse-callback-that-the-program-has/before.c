// flags: -fPIC
int limit = 3;
int set(void) { limit = 4; return 0; }
int get(int x) { return x > limit; }
