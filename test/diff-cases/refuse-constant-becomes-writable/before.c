static int level = 4;
int get(void) {
  return level;
}
