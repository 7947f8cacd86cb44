#include <assert.h>
int first(int x) {
  assert(x > 0); return x;
}
int second(int x) {
  assert(x > 1);
  return x * 2;
}
