__asm__(".text\nraw: mov $1, %eax\nret");
int raw(void);
int call(void) { return raw(); }
