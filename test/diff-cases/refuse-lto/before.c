// flags: -flto -ffat-lto-objects
int limit(int x) {
  return x > 10 ? 10 : x;
}
