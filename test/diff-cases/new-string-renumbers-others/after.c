int puts(const char *);
int one(void) {
  return puts("a new text") + puts("one");
}
int two(void) { return puts("two"); }
int three(void) { return puts("three") + puts("two"); }
const char *texts[] = {"three", "four"};
