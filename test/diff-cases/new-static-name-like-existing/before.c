int first(void) {
  return 1;
}
int second(void) {
  static int calls;
  return ++calls;
}
