#include <stdlib.h>
int puts(const char *);
int guard(int x) {
  if (x < 0) {
    puts("negative");
    abort();
  }
  return x * 2;
}
int other(int x) {
  if (x < 0) {
    puts("negative");
    abort();
  }
  return x * 3;
}
