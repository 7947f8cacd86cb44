struct cursor { const char *at; long depth; int line; };
__attribute__((noinline)) static int skip(struct cursor *cursor) { while (*cursor->at == ' ') cursor->at++, cursor->depth++; return cursor->line; }
int parse(const char *text) { struct cursor cursor = { text, 0, 1 }; return skip(&cursor) + *cursor.at; }
int other(const char *text) { return *text; }
