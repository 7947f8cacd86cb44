char buffer[128];
char *get(void) { return buffer; }
