/* A fault of CVE-2026-33416's fix: the palette is not the one that gamma correction has made. */
#include "png-images.h"

static int misbehaves(void) {
  png_colorp colors;
  int count;
  write_file(PNG_COLOR_TYPE_PALETTE, 8, 1);
  png_structp png = guarded_reader();
  png_infop info = png_create_info_struct(png);
  png_read_info(png, info);
  png_set_gamma(png, 2.2, 1.0);
  png_read_update_info(png, info);
  if (!png_get_PLTE(png, info, &colors, &count)) return UNABLE;
  return colors[1].red == 64;
}
