#include <wchar.h>
int show(int x) {
  return wcslen(x ? L"first" : L"second") + wprintf(L"new");
}
int other(void) { return wprintf(L"second"); }
