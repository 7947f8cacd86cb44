int first(void) {
  static int calls; return ++calls;
}
int second(void) {
  return 1;
}
