int stub;
void nothing(void) { }
int one(void) { return 1; }
