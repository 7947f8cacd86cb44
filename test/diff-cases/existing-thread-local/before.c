__thread int depth;
static __thread int level = 4;
int enter(void) {
  return ++depth + level;
}
