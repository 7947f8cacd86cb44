// flags: -fexceptions
void take(int), give(int), body(int);
static void drop(int *x) { give(*x); }
void guarded(int x) {
  __attribute__((cleanup(drop))) int held = x;
  take(x);
  body(x);
}
void other(int x) {
  __attribute__((cleanup(drop))) int held = x;
  body(x);
}
