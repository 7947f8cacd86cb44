/* CVE-2026-33416: the transparency that the caller freed is used for the rows that follow. */
#include "png-images.h"

static int misbehaves(void) {
  write_file(PNG_COLOR_TYPE_PALETTE, 8, 1);
  png_structp png = guarded_reader();
  png_infop info = png_create_info_struct(png);
  png_read_info(png, info);
  png_set_palette_to_rgb(png);
  png_free_data(png, info, PNG_FREE_TRNS, 0);
  read_rows(png, info);
  return 0;
}
