enum state { IDLE, READING, DONE };
struct connection { enum state state; };
int is_done(struct connection *connection) { return connection->state == DONE; }
void start(struct connection *connection) { connection->state = READING; }
