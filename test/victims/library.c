/* The shared library of shapes.c. */
__attribute__((noinline, noclone)) int value(int x) {
  __asm__ volatile("nop; nop; nop" ::: "memory");
  return x + 1;
}
int other(int x) { return value(x) + 1; }
