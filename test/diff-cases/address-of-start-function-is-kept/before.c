static int ready;
__attribute__((noinline)) static void prepare(void) { ready = 1; }
void (*again)(void) = prepare;
int main(void) { prepare(); return ready; }
