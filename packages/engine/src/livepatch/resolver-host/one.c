/* Two versions of a function, an interposed one, TLS in three models, indirect functions. */
int versioned_old(int x) { return x + 1; } int versioned_new(int x) { return x + 2; }
__asm__(".symver versioned_old,versioned@ONE_1"); __asm__(".symver versioned_new,versioned@@ONE_2");
int first_old(void) { return 1; } __asm__(".symver first_old,hidden_only@ONE_1");
int shared_data = 11; int table[4] = { 1, 2, 3, 4 };
int interposed(void) { return 1; } int plain(int x) { return x * 10; }
__thread int one_dynamic = 21; static __thread int one_local = 22, one_more = 23;
__thread int one_static __attribute__((tls_model("initial-exec"))) = 24;
void set_locals(int x) { one_local = x; one_more += x; }
int use_locals(void) { return one_local + one_more + one_dynamic + one_static; }
int call_interposed(void) { return interposed() + shared_data; }
static int chosen(int x) { return x + 100; }
static void *choose(void) { return (void *)chosen; }
int used_choice(int) __attribute__((ifunc("choose")));
int unused_choice(int) __attribute__((ifunc("choose")));
int protected_f(void) __attribute__((visibility("protected"))); int protected_f(void) { return 5; }
int call_protected(void) { return protected_f(); }
