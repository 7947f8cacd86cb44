static int compare(const void *one, const void *other) { return *(const int *)one - *(const int *)other; }
typedef int (*comparison)();
comparison current = compare;
