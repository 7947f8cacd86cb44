const char *greeting = "hello";
const char *get(void) { return greeting; }
