static int slots[8];
int *get(int i) { return &slots[i]; }
