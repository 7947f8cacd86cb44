struct cursor { const char *at; int line; };
__attribute__((noinline)) static int skip(struct cursor *cursor) { while (*cursor->at == ' ') cursor->at++; return cursor->line; }
int parse(const char *text) { struct cursor cursor = { text, 1 }; return skip(&cursor) + *cursor.at; }
int other(const char *text) { return *text; }
