#include <stdio.h>
#include <stdlib.h>
#include <getopt.h>
#include <unistd.h>
static int level, limit;
__attribute__((noinline)) static void option(int c) { if (c == 'v') level += 1; }
__attribute__((noinline)) static void set_limit(void) { const char *text = getenv("LIMIT"); limit = text ? atoi(text) : 9; }
__attribute__((noinline)) static void serve(void) { char byte; while (read(0, &byte, 1) == 1) level ^= byte; }
__attribute__((noinline)) static int report(void) { return printf("%d\n", level + limit); }
int main(int argc, char **argv)
{
  int c;
  while ((c = getopt(argc, argv, "v")) != -1) option(c);
  set_limit();
  serve();
  return report();
}
