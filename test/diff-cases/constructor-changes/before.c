static int ready;
__attribute__((noinline)) static int prepare(int value) { return value * 3; }
__attribute__((constructor)) static void start(void) { ready = prepare(7); }
int get(void) { return ready; }
