struct one { int a; };
struct two { int b; };
int read_one(struct one *it) { return it->a; }
int read_two(struct two *it) { return it->b; }
