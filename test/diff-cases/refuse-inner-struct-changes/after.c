struct limits { int low, high, hard; };
struct server { int port; struct limits limits; char name[16]; };
extern struct server server;
int port(void) { return server.port; }
int high(void) { return server.limits.high; }
const char *name(void) { return server.name; }
