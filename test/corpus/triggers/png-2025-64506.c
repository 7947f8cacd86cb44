/* CVE-2025-64506: writing 8-bit pixels with convert_to_8bit reads them as if they had 16 bits. */
#include "png-images.h"

static int misbehaves(void) {
  png_image image = {.version = PNG_IMAGE_VERSION, .width = 64, .height = 64, .format = PNG_FORMAT_RGB};
  png_alloc_size_t size = sizeof file;
  void *pixels = guarded(PNG_IMAGE_SIZE(image));
  return !png_image_write_to_memory(&image, file, &size, 1, pixels, 0, NULL);
}
