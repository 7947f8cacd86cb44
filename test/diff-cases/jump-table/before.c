int putchar(int), getchar(void), rand(void), abs(int);
int route(int x) {
  switch (x) {
  case 0: return putchar('a');
  case 1: return getchar();
  case 2: return rand();
  case 3: return abs(x) + 1;
  case 4: return putchar('b') + 4;
  case 5: return getchar() * 3;
  case 6: return rand() - 1;
  }
  return 0;
}
int quiet(int x) {
  switch (x) {
  case 0: return putchar('a');
  case 1: return getchar();
  case 2: return rand();
  case 4: return putchar('c') + 4;
  case 5: return getchar() * 5;
  case 6: return rand() - 2;
  }
  return 1;
}
