/* CVE-2025-65018: reading interlaced 16-bit pixels as 8-bit ones writes beyond the image. */
#include "png-images.h"

static int misbehaves(void) {
  png_image image = {.version = PNG_IMAGE_VERSION};
  write_file(PNG_COLOR_TYPE_RGB, 16, 7);
  if (!png_image_begin_read_from_memory(&image, file, file_size)) return UNABLE;
  image.format = PNG_FORMAT_RGBA;
  return !png_image_finish_read(&image, NULL, guarded(PNG_IMAGE_SIZE(image)), 0, NULL);
}
