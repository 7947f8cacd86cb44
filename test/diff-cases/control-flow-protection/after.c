// flags: -fcf-protection -fstack-protector-strong -D_FORTIFY_SOURCE=2
#include <string.h>
int copy(const char *text) {
  char buffer[32];
  strncpy(buffer, text, sizeof buffer - 1);
  return buffer[0] + buffer[1];
}
int other(const char *text) { char buffer[64]; strcpy(buffer, text); return buffer[3]; }
