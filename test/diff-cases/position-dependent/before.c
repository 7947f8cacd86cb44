// flags: -fno-pie
int putchar(int), getchar(void), rand(void), abs(int);
int shared = 4;
static const char *names[] = {"a", "b", "c", "d"};
const char *name(int i) { return names[i & 3]; }
int route(int x) {
  switch (x) {
  case 0: return putchar('a');
  case 1: return getchar();
  case 2: return rand();
  case 4: return putchar('b') + 4;
  case 5: return getchar() * 3;
  case 6: return rand() - 1;
  }
  return 0;
}
