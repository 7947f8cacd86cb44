static char buffer[64];
char first(void) { return buffer[0]; }
void clear(void) { for (int at = 0; at < 64; at++) buffer[at] = 0; }
