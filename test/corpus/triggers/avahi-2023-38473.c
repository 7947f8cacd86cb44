/* CVE-2023-38473: the alternative of a host name that ends with a dot is no valid host name. */
#include "trigger.h"
#include "avahi-common/alternative.h"

static int misbehaves(void) { return avahi_alternative_host_name(").") == NULL; }
