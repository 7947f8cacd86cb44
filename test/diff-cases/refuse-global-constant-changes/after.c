const int limits[] = {1, 2, 4};
int get(int i) { return limits[i]; }
