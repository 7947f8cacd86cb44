/* CVE-2026-22695: reading interlaced 16-bit pixels bottom up copies a negative count of bytes. */
#include "png-images.h"

static int misbehaves(void) {
  png_image image = {.version = PNG_IMAGE_VERSION};
  write_file(PNG_COLOR_TYPE_RGB, 16, 7);
  if (!png_image_begin_read_from_memory(&image, file, file_size)) return UNABLE;
  image.format = PNG_FORMAT_RGB;
  int stride = (int)PNG_IMAGE_ROW_STRIDE(image);
  return !png_image_finish_read(&image, NULL, guarded(PNG_IMAGE_SIZE(image)), -stride, NULL);
}
