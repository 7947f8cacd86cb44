#include <stdlib.h>
#define NAME_MAX (2 * 1025 + 1)
union bigname { union bigname *next; char name[NAME_MAX]; };
static union bigname *spare;
void release(union bigname *name) { name->next = spare; spare = name; }
union bigname *take(void)
{
  union bigname *name = spare;
  if (name) { spare = name->next; return name; }
  return malloc(sizeof *name);
}
