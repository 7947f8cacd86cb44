__attribute__((noinline)) int bump(int by) { if (by < 0) return 0; static int calls; calls += by; return calls; }
int one(void) { return bump(1); }
