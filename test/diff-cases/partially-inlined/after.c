int printf(const char *, ...), puts(const char *), getchar(void);
static void report(const char *text) {
  if (text == 0) return;
  puts("REPORT"); printf("%s", text); puts(text); printf("%d %s", getchar(), text); puts("end"); puts(text);
}
void a(const char *t) { report(t); }
void b(const char *t, int x) { while (x--) report(t); }
void c(const char *t) { report(t); puts("c"); report(t); }
