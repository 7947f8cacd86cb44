// flags: -O3
void scale(float *v, int n) {
  for (int i = 0; i < n; i++) v[i] = v[i] * 4.5f;
}
void shift(float *v, int n) {
  for (int i = 0; i < n; i++) v[i] = v[i] + 4.5f;
}
