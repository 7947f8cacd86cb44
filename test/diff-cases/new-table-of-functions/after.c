static int plus(int value) { return value + 1; }
static int minus(int value) { return value - 1; }
static int (*operations[2])(int) = { plus, minus };
void swap(void) { operations[0] = minus; }
int apply(int which, int value) { return operations[which & 1](value); }
