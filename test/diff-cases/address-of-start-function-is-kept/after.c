static int ready;
__attribute__((noinline)) static void prepare(void) { ready = 2; }
void (*again)(void) = prepare;
int main(void) { prepare(); return ready; }
