int puts(const char *);
int main(void) {
  puts("before");
  return 0;
}
