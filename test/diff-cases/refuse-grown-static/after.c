static int slots[16];
int *get(int i) { return &slots[i]; }
