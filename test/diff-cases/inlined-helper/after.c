static int helper(int x) {
  return x + 2;
}
int first(int x) { return helper(x) * 3; }
int second(int x) { return helper(x) * 5; }
int third(int x) { return x * 7; }
