__attribute__((noinline)) int bump(int by) { static int calls; calls += by; return calls; }
int one(void) { return bump(1); }
