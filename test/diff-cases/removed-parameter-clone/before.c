int printf(const char *, ...), getchar(void);
struct s { int a, b, c; };
__attribute__((noinline)) static int show(const struct s *s, int unused) {
  return printf("%d", s->a + getchar());
}
int one(struct s *s) { return show(s, 1) * 3; }
int two(struct s *s) { return show(s, 2) * 5; }
