struct value { int kind; union { int number; const char *text; struct { long low, high; }; }; };
static struct value current;
int number(void) { return current.number; }
void store(int number) { current.kind = 1; current.high = 0; current.number = number; }
