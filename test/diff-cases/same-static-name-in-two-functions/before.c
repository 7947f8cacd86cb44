int first(void) {
  static int calls;
  return ++calls;
}
int second(void) {
  static int calls;
  return ++calls;
}
