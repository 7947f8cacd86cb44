int external(const void *);
static const char table[64] = { 1, 2, 3, 4 };
int use(void) { return external(table); }
int more(void) { return external(table + 8); }
