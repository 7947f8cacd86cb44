/* CVE-2024-31755: setting a string's value to NULL takes the length of NULL. */
#include "trigger.h"
#include "cJSON.h"

static int misbehaves(void) { return cJSON_SetValuestring(cJSON_CreateString("text"), NULL) != NULL; }
