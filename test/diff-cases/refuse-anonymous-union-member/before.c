struct value { int kind; union { int number; const char *text; }; };
static struct value current;
int number(void) { return current.number; }
void store(int number) { current.kind = 1; current.number = number; }
