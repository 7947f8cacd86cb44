int rare(int value) { return value * 3; }
int often(int value) { return value * 5; }
