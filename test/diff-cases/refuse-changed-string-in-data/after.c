const char *greeting = "hello, world";
const char *get(void) { return greeting; }
