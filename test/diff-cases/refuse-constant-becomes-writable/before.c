static int levels[] = {1, 2, 3, 4, 5, 6, 7, 8};
int get(int i) {
  return levels[i];
}
