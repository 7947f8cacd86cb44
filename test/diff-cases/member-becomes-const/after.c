struct buffer { int used; const char *bytes; };
int used(struct buffer *buffer) { return buffer->used + 1; }
char first(struct buffer *buffer) { return buffer->bytes[0]; }
