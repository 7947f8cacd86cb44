int table[8];
int get(int at) { return table[at]; }
