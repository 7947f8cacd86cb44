/* Loaded with dlopen. */
extern __thread int one_dynamic; __thread int plugin_tls[3] = { 31, 32, 33 };
int only_in_plugin(void) { return 9; } int plain(int x) { return -x; } extern int plain_user(void);
int plugin_sum(int i) { return plugin_tls[i] + one_dynamic + plain(1); }
int first_old(void) { return 8; }
