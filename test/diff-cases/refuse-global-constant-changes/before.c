const int limits[] = {1, 2, 3};
int get(int i) { return limits[i]; }
