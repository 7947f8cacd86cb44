int first(void) {
  return 0;
}
int second(void) {
  static int calls; return ++calls;
}
