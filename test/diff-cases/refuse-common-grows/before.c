// flags: -fcommon
int table[4];
int get(int at) { return table[at]; }
