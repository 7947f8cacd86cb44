int next(void);
void drain(void) { while (next()) ; }
int scan(const char *at) { while (*at++ > 1) ; return at[0]; }
