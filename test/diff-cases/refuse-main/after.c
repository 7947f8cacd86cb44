int puts(const char *);
int main(void) {
  puts("after");
  return 0;
}
