struct op { const char *name; int (*run)(int); };
static int add(int x) { return x + 1; }
static int sub(int x) {
  return x - 1;
}
static const struct op ops[] = {{"add", add}, {"sub", sub}};
int run(int i, int x) { return ops[i].run(x); }
const char *name(int i) { return ops[i].name; }
