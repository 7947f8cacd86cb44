long limits[4] = {1, 2};
long get(int i) { return limits[i]; }
