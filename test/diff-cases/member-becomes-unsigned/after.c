struct buffer { unsigned used; char *bytes; };
int room(struct buffer *buffer) { return 100 - buffer->used; }
int fits(struct buffer *buffer, int size) { return buffer->used + size <= 100; }
