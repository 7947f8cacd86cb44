/* CVE-2023-38471: a host name with an escaped dot is cut in its escape, which ends the server. */
#include "trigger.h"
#include "avahi-core/core.h"
#include "avahi-core/publish.h"
#include "avahi-common/simple-watch.h"

static int misbehaves(void) {
  AvahiServerConfig config;
  int error;
  avahi_server_config_init(&config);
  /* Only the name is wanted: nothing is announced on any network. */
  config.use_ipv4 = 1;
  config.use_ipv6 = 0;
  config.allow_interfaces = avahi_string_list_new("suture-none", NULL);
  config.disable_publishing = 1;
  AvahiSimplePoll *poll = avahi_simple_poll_new();
  AvahiServer *server = avahi_server_new(avahi_simple_poll_get(poll), &config, NULL, NULL, &error);
  if (server == NULL) return UNABLE;
  avahi_server_set_host_name(server, "foo\\.bar");
  return 0;
}
