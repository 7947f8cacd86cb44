int stub;
void nothing(void) { stub++; }
int one(void) { return 1; }
