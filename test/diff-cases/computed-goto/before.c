int putchar(int);
int run(const unsigned char *code) {
  static const void *const labels[] = {&&stop, &&print, &&skip};
  goto *labels[*code];
print:
  putchar(*code);
  code++;
  goto *labels[*code];
skip:
  code += 2;
  goto *labels[*code];
stop:
  return 0;
}
