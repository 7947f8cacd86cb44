/* CVE-2023-50471: inserting NULL into an array follows it instead of returning false. */
#include "trigger.h"
#include "cJSON.h"

static int misbehaves(void) {
  cJSON *array = cJSON_CreateArray();
  cJSON_AddItemToArray(array, cJSON_CreateString("item"));
  return cJSON_InsertItemInArray(array, 0, NULL) != 0;
}
