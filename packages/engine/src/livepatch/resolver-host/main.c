/* Says where it sees what, then maps and calls code that it is told of. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>
extern int shared_data, table[]; extern int versioned(int), plain(int), used_choice(int), unused_choice(int);
extern int use_locals(void), call_interposed(void); extern __thread int one_dynamic, one_static;
extern int call_protected(void);
int interposed(void) { return 2; } int protected_f(void) { return 6; }
__thread int main_tls = 41; static __thread char main_static[100]; __thread long main_aligned __attribute__((aligned(64)));
static int (*volatile taken)(const char *, const char *) = strcmp; char big_bss[1 << 20];
static int main_chosen(int x) { return x * 7; }
static void *main_choose(void) { return (void *)main_chosen; }
static int static_choice(int) __attribute__((ifunc("main_choose")));
#define TP ((char *)__builtin_thread_pointer())
#define SAY(name, value) printf("%s %lx\n", name, (long)(value))
static void show(const char *name) { SAY(name, dlsym(RTLD_DEFAULT, name)); }
int main(int argc, char **argv) {
  memset(main_static, argc, sizeof main_static); main_aligned = static_choice(argc) + use_locals() + call_interposed();
  char copy[200]; memcpy(copy, argv[0], strnlen(argv[0], 199)); errno = plain(taken(copy, "x"));
  if (used_choice(versioned(1)) == 1 || argc > 90) return unused_choice(1) + call_protected();
  void *one = dlopen("libone.so", RTLD_NOW), *plugin = dlopen(argv[1], RTLD_NOW);
  if (!plugin || !one) return 99;
  ((int (*)(int))dlsym(plugin, "plugin_sum"))(1);
  size_t id;
  show("shared_data"); show("table"); show("plain"); show("interposed"); show("used_choice"); show("memcpy");
  show("strlen"); show("environ"); show("realpath"); show("__tls_get_addr"); show("stdout");
  SAY("interposed&", interposed); SAY("table&", table); SAY("shared_data&", &shared_data); SAY("strcmp&", taken); SAY("stdout&", &stdout);
  SAY("versioned@ONE_1", dlvsym(one, "versioned", "ONE_1")); SAY("versioned@ONE_2", dlvsym(one, "versioned", "ONE_2"));
  SAY("hidden_only@ONE_1", dlvsym(one, "hidden_only", "ONE_1"));
  SAY("memcpy@GLIBC_2.2.5", dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5"));
  SAY("realpath@GLIBC_2.2.5", dlvsym(RTLD_DEFAULT, "realpath", "GLIBC_2.2.5"));
  SAY("plugin plain", dlsym(plugin, "plain")); SAY("only_in_plugin", dlsym(plugin, "only_in_plugin"));
  SAY("tp errno", (char *)&errno - TP); SAY("tp main_tls", (char *)&main_tls - TP);
  SAY("tp main_static", main_static - TP); SAY("tp main_aligned", (char *)&main_aligned - TP);
  SAY("tp one_static", (char *)&one_static - TP); SAY("tp one_dynamic", (char *)&one_dynamic - TP);
  dlinfo(one, RTLD_DI_TLS_MODID, &id); SAY("id one", id); dlinfo(plugin, RTLD_DI_TLS_MODID, &id); SAY("id plugin", id);
  SAY("protected in one", call_protected()); SAY("static_choice", main_chosen); SAY("big_bss", big_bss + sizeof big_bss);
  char *area = 0;
  for (long near = ((long)main & -4096) + (64 << 20); !area; near += 1 << 20) {
    area = mmap((void *)near, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (area == MAP_FAILED) area = 0;
  }
  SAY("area", area); puts("ready"); fflush(stdout);
  long at, size, function, argument; int protection; char path[500];
  while (scanf("%lx %lx %d %499s %lx %ld", &at, &size, &protection, path, &function, &argument) == 6) {
    if (function) printf("result %d\n", ((int (*)(int))function)(argument));
    else mmap((void *)at, size, protection, MAP_PRIVATE | MAP_FIXED, open(path, O_RDONLY), 0);
    fflush(stdout);
  }
  return 0;
}
