static int plus(int value) { return value + 1; }
static int minus(int value) { return value - 1; }
int apply(int which, int value) { return which ? plus(value) : minus(value); }
