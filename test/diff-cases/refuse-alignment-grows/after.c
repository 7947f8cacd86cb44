static char buffer[64] __attribute__((aligned(256)));
char first(void) { return buffer[0]; }
void clear(void) { for (int at = 0; at < 64; at++) buffer[at] = 1; }
