void copy(char *to, const char *from, unsigned long room) { while (room-- && (*to++ = *from++)) ; }
