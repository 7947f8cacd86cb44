struct pair { int one, other; };
int twice(int value) { struct pair pair = { value, value + 1 }; volatile struct pair *at = &pair; return at->one + at->other; }
