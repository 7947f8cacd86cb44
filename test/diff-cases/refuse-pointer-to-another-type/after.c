struct plain { int value; };
struct counted { int value; };
struct holder { struct counted *item; };
int value(struct holder *holder, struct counted *other) { return holder->item->value - other->value; }
