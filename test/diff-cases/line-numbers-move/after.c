#include <assert.h>
int first(int value) { return value + 2;
}
int second(int value) { assert(value > 0); return value; }
