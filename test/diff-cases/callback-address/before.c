#include <stdlib.h>
static int compare(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}
void order(int *values, int count) { qsort(values, count, sizeof *values, compare); }
