#include <stdlib.h>
void *data_of(int key);
void set_data(int key, void *data);
struct entry { int count; };
int count(int key) { struct entry *entry = data_of(key); return ++entry->count; }
void create(int key) { struct entry *entry = malloc(sizeof *entry); entry->count = 0; set_data(key, entry); }
