int external(const void *);
static const char table[64] __attribute__((aligned(128))) = { 1, 2, 3, 4 };
int use(void) { return external(table) + 1; }
int more(void) { return external(table + 8); }
