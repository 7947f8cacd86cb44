extern int state;
int bump(void) { return ++state; }
