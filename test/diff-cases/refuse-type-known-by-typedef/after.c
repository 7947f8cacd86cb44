#include <stdlib.h>
typedef struct { int fd; int events; int serial; } watch_t;
int fd_of(watch_t *watch) { return watch->fd; }
watch_t *watch(int fd) { watch_t *watch = malloc(sizeof *watch); watch->fd = fd; return watch; }
