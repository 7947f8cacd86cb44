// flags: -fPIC
int putchar(int);
int shared = 4;
static int hidden;
__thread int depth;
static __thread int level = 4;
int work(int x) {
  return putchar(x) + shared + hidden++ + depth + level++;
}
int other(int x) { return work(x) + shared; }
