struct secret { int value; };
struct secret *open_secret(void);
int use(void) { return open_secret()->value; }
