int puts(const char *);
void one(void) { puts("unexpected end"); }
void two(void) { puts("end"); }
void three(void) { puts("stop"); }
