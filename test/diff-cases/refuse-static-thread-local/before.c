int depth(void) { return 1; }
