struct secret;
struct secret *open_secret(void);
int use(void) { return open_secret() != 0; }
