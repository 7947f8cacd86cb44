int limit = 0;
int get(void) { return limit + 1; }
