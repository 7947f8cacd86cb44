/* CVE-2026-34757: a palette that is set to itself is freed before it is copied. */
#include "png-images.h"

static int misbehaves(void) {
  png_colorp colors;
  int count;
  write_file(PNG_COLOR_TYPE_PALETTE, 8, 1);
  png_structp png = guarded_reader();
  png_infop info = png_create_info_struct(png);
  png_read_info(png, info);
  if (!png_get_PLTE(png, info, &colors, &count)) return UNABLE;
  png_set_PLTE(png, info, colors, count);
  return !png_get_PLTE(png, info, &colors, &count) || colors[1].red != 64;
}
