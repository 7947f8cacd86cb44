int first(const char *text) { return text[0] & 127; }
