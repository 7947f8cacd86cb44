int first(void) {
  static int calls;
  return calls += 2;
}
int second(void) {
  static int calls;
  return ++calls;
}
