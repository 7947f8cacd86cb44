// flags: -fcommon
int shared;
int bump(int x) {
  return shared += x * 2;
}
