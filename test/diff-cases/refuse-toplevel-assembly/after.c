__asm__(".text\nraw: mov $2, %eax\nret");
int raw(void);
int call(void) { return raw(); }
