// flags: -fcommon
int used;
int get(void) { return used; }
