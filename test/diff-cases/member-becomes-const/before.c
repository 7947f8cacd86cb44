struct buffer { int used; char *bytes; };
int used(struct buffer *buffer) { return buffer->used; }
char first(struct buffer *buffer) { return buffer->bytes[0]; }
