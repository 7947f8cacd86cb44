__attribute__((section(".text.rare_ones"))) int rare(int value) { return value * 3; }
int often(int value) { return value * 6; }
