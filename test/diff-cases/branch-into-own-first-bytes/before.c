int next(void);
void drain(void) { while (next()) ; }
int scan(const char *at) { while (*at++) ; return at[0]; }
