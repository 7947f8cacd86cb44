struct point { int x, y; };
__attribute__((noinline)) static int show(struct point *point, int unused) { return point->x * 7; }
int one(struct point *point) { return show(point, 1) + 1; }
int two(struct point *point) { return show(point, 2) + 2; }
