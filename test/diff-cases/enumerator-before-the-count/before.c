enum error { ERROR_NONE, ERROR_SYNTAX, ERROR_MAX };
int check(enum error error) { return error < ERROR_MAX; }
enum error scan(const char *text) { return *text ? ERROR_NONE : ERROR_SYNTAX; }
