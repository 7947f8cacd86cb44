int putchar(int);
int getchar(void);
int work(int x) {
  return putchar(x) + getchar();
}
