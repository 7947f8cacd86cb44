int first(int x) {
  return x;
}
int weight(int x) {
  switch (x) {
  case 0: return 5;
  case 1: return 7;
  case 2: return 3;
  case 3: return 9;
  case 4: return 1;
  case 5: return 99;
  }
  return 0;
}
