static int state;
__attribute__((noinline)) static void bump(int x) {
  __asm__ volatile("" ::: "memory"); state += x;
}
int main(int argc, char **argv) {
  long kept;
  __asm__ volatile("mov $7, %%r9d" ::: "memory");
  bump(argc);
  __asm__ volatile("mov %%r9, %0" : "=r"(kept));
  return kept;
}
