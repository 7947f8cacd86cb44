int count;
int bump(void) { count++; return count > 10; }
