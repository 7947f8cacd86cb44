char buffer[64];
char *get(void) { return buffer; }
