int used;
int fresh;
int get(void) { return used + fresh++; }
