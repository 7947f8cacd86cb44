// flags: -flto -ffat-lto-objects
int limit(int x) {
  return x > 20 ? 20 : x;
}
