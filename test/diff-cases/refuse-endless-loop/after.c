int getchar(void), putchar(int);
void serve(void) {
  for (;;) {
    putchar(getchar() + 1);
  }
}
