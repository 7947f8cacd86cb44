long limits[3] = {1, 2};
long get(int i) { return limits[i]; }
