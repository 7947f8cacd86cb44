// flags: -g0
int limit(int value) { return value > 10; }
