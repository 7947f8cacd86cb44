int getchar(void), usleep(unsigned), putchar(int);
void *worker(void *arg) {
  int count = 0;
  while (1) {
    while (getchar() != 'x') usleep(10);
    putchar('a' + count++ % 26);
  }
}
