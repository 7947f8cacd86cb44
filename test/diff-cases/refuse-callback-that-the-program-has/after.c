int limit = 3;
int set(void) { limit = 4; return 0; }
static int (*const pointer)(void) __attribute__((used, section(".suture.callbacks.pre_apply"))) = set;
int get(int x) { return x >= limit; }
