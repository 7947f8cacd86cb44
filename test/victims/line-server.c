/*
 * A small server for the main job where there is no Debian archive to take a real one from.
 *
 * It speaks the Redis protocol, as much of it as the job's clients use, with one thread a
 * connection, so that many threads sleep in read() while the hotpatch goes in. Its fault: PEEK
 * answers one index too many, and the byte behind the notice board belongs to a secret.
 *
 *     line-server PORT
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { ARGS_MAX = 8, ARG_SIZE = 256, ENTRIES_MAX = 64, QUEUE_MAX = 4096, SUBSCRIBERS_MAX = 16 };

struct command {
    int count;
    char args[ARGS_MAX][ARG_SIZE];
};

struct client {
    int fd;
    long id;
    int database;
    char name[ARG_SIZE];
    int in_transaction;
    int queued;
    char queue[QUEUE_MAX][64];
    size_t begin, end;
    char input[65536];
};

struct entry {
    int database;
    char key[ARG_SIZE], value[ARG_SIZE];
};

static struct {
    char board[8];
    char secret[8];
} notices = {"welcome", "secret"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[ENTRIES_MAX];
static int entry_count;
static struct client *subscribers[SUBSCRIBERS_MAX];
static long client_count;

static void put(struct client *client, const char *text) {
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t written = write(client->fd, text, size);
        if (written <= 0) return;
        text += written;
        size -= (size_t)written;
    }
}

static void put_bulk(struct client *client, const char *text) {
    char reply[ARG_SIZE + 32];
    snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(text), text);
    put(client, reply);
}

static void put_number(struct client *client, long number) {
    char reply[32];
    snprintf(reply, sizeof reply, ":%ld\r\n", number);
    put(client, reply);
}

/* Next byte of the connection, or -1 at its end. */
static int take(struct client *client) {
    if (client->begin == client->end) {
        ssize_t size = read(client->fd, client->input, sizeof client->input);
        if (size <= 0) return -1;
        client->begin = 0;
        client->end = (size_t)size;
    }
    return (unsigned char)client->input[client->begin++];
}

/* The number of a line such as "*3\r\n"; -1 when it is no such line. */
static int take_header(struct client *client, char type) {
    if (take(client) != type) return -1;
    int number = 0;
    for (int byte = take(client); byte != '\r'; byte = take(client)) {
        if (byte < '0' || byte > '9' || number > 10000) return -1;
        number = number * 10 + (byte - '0');
    }
    return take(client) == '\n' ? number : -1;
}

static int take_command(struct client *client, struct command *command) {
    command->count = take_header(client, '*');
    if (command->count < 1 || command->count > ARGS_MAX) return 0;
    for (int i = 0; i < command->count; i++) {
        int size = take_header(client, '$');
        if (size < 0 || size >= ARG_SIZE) return 0;
        for (int at = 0; at < size; at++) command->args[i][at] = (char)take(client);
        command->args[i][size] = '\0';
        if (take(client) != '\r' || take(client) != '\n') return 0;
    }
    return 1;
}

static struct entry *find(struct client *client, const char *key, int make) {
    for (int i = 0; i < entry_count; i++)
        if (entries[i].database == client->database && !strcmp(entries[i].key, key))
            return &entries[i];
    if (!make || entry_count == ENTRIES_MAX) return NULL;
    struct entry *entry = &entries[entry_count++];
    entry->database = client->database;
    strcpy(entry->key, key);
    return entry;
}

static void do_set(struct client *client, struct command *command) {
    struct entry *entry = find(client, command->args[1], 1);
    if (!entry) return put(client, "-ERR full\r\n");
    strcpy(entry->value, command->args[2]);
    put(client, "+OK\r\n");
}

static void do_get(struct client *client, struct command *command) {
    struct entry *entry = find(client, command->args[1], 0);
    if (!entry) return put(client, "$-1\r\n");
    put_bulk(client, entry->value);
}

static long increment(struct client *client, const char *key) {
    struct entry *entry = find(client, key, 1);
    if (!entry) return -1;
    long number = atol(entry->value) + 1;
    snprintf(entry->value, sizeof entry->value, "%ld", number);
    return number;
}

static void do_incr(struct client *client, struct command *command) {
    if (!client->in_transaction) return put_number(client, increment(client, command->args[1]));
    if (client->queued == QUEUE_MAX) return put(client, "-ERR too many\r\n");
    snprintf(client->queue[client->queued++], 64, "%.63s", command->args[1]);
    put(client, "+QUEUED\r\n");
}

static void do_multi(struct client *client, struct command *command) {
    (void)command;
    client->in_transaction = 1;
    client->queued = 0;
    put(client, "+OK\r\n");
}

static void do_exec(struct client *client, struct command *command) {
    (void)command;
    char header[32];
    snprintf(header, sizeof header, "*%d\r\n", client->queued);
    put(client, header);
    for (int i = 0; i < client->queued; i++)
        put_number(client, increment(client, client->queue[i]));
    client->in_transaction = 0;
}

static void do_select(struct client *client, struct command *command) {
    client->database = atoi(command->args[1]);
    put(client, "+OK\r\n");
}

static void do_client(struct client *client, struct command *command) {
    if (!strcasecmp(command->args[1], "id")) return put_number(client, client->id);
    if (!strcasecmp(command->args[1], "getname")) return put_bulk(client, client->name);
    if (command->count < 3) return put(client, "-ERR unknown subcommand\r\n");
    strcpy(client->name, command->args[2]);
    put(client, "+OK\r\n");
}

static void do_subscribe(struct client *client, struct command *command) {
    for (int i = 0; i < SUBSCRIBERS_MAX; i++) {
        if (subscribers[i]) continue;
        subscribers[i] = client;
        put(client, "*3\r\n$9\r\nsubscribe\r\n");
        put_bulk(client, command->args[1]);
        return put_number(client, 1);
    }
    put(client, "-ERR too many\r\n");
}

static void do_publish(struct client *client, struct command *command) {
    int count = 0;
    for (int i = 0; i < SUBSCRIBERS_MAX; i++) {
        if (!subscribers[i]) continue;
        put(subscribers[i], "*3\r\n$7\r\nmessage\r\n");
        put_bulk(subscribers[i], command->args[1]);
        put_bulk(subscribers[i], command->args[2]);
        count++;
    }
    put_number(client, count);
}

/* The character of the notice board at an index. */
static void do_peek(struct client *client, struct command *command) {
    size_t index = strtoul(command->args[1], NULL, 10);
    if (index > sizeof notices.board) return put(client, "-ERR index out of range\r\n");
    char text[2] = {((const char *)&notices)[index], '\0'};
    put_bulk(client, text);
}

static void do_ping(struct client *client, struct command *command) {
    (void)command;
    put(client, "+PONG\r\n");
}

static const struct {
    const char *name;
    int args;
    void (*run)(struct client *, struct command *);
} commands[] = {
    {"set", 3, do_set},       {"get", 2, do_get},
    {"incr", 2, do_incr},     {"multi", 1, do_multi},
    {"exec", 1, do_exec},     {"select", 2, do_select},
    {"client", 2, do_client}, {"subscribe", 2, do_subscribe},
    {"publish", 3, do_publish}, {"peek", 2, do_peek},
    {"ping", 1, do_ping},
};

static void run(struct client *client, struct command *command) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcasecmp(commands[i].name, command->args[0])) {
            if (command->count < commands[i].args) break;
            return commands[i].run(client, command);
        }
    put(client, "-ERR unknown command\r\n");
}

static void *serve(void *argument) {
    struct client *client = argument;
    struct command command;
    while (take_command(client, &command)) {
        pthread_mutex_lock(&lock);
        run(client, &command);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SUBSCRIBERS_MAX; i++)
        if (subscribers[i] == client) subscribers[i] = NULL;
    pthread_mutex_unlock(&lock);
    close(client->fd);
    free(client);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: line-server PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64))
        return perror("line-server"), 1;
    for (;;) {
        struct client *client = calloc(1, sizeof *client);
        pthread_t thread;
        if (!client || (client->fd = accept(listener, NULL, NULL)) < 0) continue;
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        client->id = ++client_count;
        if (pthread_create(&thread, NULL, serve, client)) return perror("line-server"), 1;
        pthread_detach(thread);
    }
}
