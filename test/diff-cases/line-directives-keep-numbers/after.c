#include <assert.h>
int first(int value)
{
  if (value < 0) return 0;
  return value + 1;
}
#line 3
int second(int value) { assert(value > 0); return value; }
