struct option { unsigned set : 1; unsigned count : 4; unsigned checked : 1; };
static struct option options[4];
int is_set(int at) { return options[at].set; }
void use(int at) { options[at].set = 1; options[at].checked = 1; options[at].count++; }
