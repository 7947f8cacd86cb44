static int ready;
__attribute__((noinline)) static int prepare(int value) { return value * 4; }
__attribute__((constructor)) static void start(void) { ready = prepare(7); }
int get(void) { return ready; }
