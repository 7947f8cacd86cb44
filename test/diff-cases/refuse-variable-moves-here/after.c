int state;
int bump(void) { return ++state; }
