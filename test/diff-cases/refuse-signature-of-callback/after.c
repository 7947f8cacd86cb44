static int compare(const void *one, const void *other, int sign) { return sign * *(const int *)one - *(const int *)other; }
typedef int (*comparison)();
comparison current = compare;
