struct two { int b; };
struct one { int a; };
int read_one(struct one *one) { return one->a; }
int read_two(struct two *two) { return two->b + 1; }
