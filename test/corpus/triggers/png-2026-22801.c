/* CVE-2026-22801: writing 16-bit pixels bottom up goes on above the image instead of below. */
#include "png-images.h"

static int misbehaves(void) {
  png_image image = {.version = PNG_IMAGE_VERSION, .width = 64, .height = 64,
                     .format = PNG_FORMAT_LINEAR_RGB_ALPHA};
  png_alloc_size_t size = sizeof file;
  void *pixels = guarded(PNG_IMAGE_SIZE(image));
  int stride = (int)PNG_IMAGE_ROW_STRIDE(image);
  return !png_image_write_to_memory(&image, file, &size, 0, pixels, -stride, NULL);
}
