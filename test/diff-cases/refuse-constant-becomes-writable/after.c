static int level = 4;
int get(void) {
  return *(volatile int *)&level;
}
void set(int x) { level = x; }
