int limit = 3;
static int prepare(void) { limit = 2; return 0; }
static int (*const pointer)(void) __attribute__((used, section(".suture.callbacks.pre_apply"))) = prepare;
int get(int x) { return x >= limit; }
