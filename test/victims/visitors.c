/*
 * A function that hotpatches replace, called once for each line of input.
 *
 *     visitors
 *
 * It answers `visits N seen M`: what the function returned, and what the program's own pointer points
 * to, which only a hotpatch sets.
 */
#include <stdio.h>
#include <unistd.h>

int *remembered;

__attribute__((noinline, noclone)) int visit(void) {
  __asm__ volatile("nop; nop; nop; nop" ::: "memory");
  return 0;
}

int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("ready %d\n", getpid());
  while (read(0, line, sizeof line) > 0) {
    int visits = visit();
    printf("visits %d seen %d\n", visits, remembered ? *remembered : -1);
  }
  return 0;
}
