int ready;
__attribute__((constructor)) static void prepare(void) { ready = 1; }
int is_ready(void) { return ready; }
