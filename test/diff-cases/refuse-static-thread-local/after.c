int depth(void) { static __thread int level; return ++level; }
