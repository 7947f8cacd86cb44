int external(void *, int);
int one(int value) { struct state { int value, more; } state = { value, 1 }; return external(&state, sizeof state); }
int two(int value) { struct state { long value; } state = { value }; return external(&state, sizeof state); }
