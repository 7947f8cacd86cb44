/* CVE-2025-64505: an index beyond a quantized palette is looked up beyond the table's end. */
#include "png-images.h"

static int misbehaves(void) {
  png_color colors[4] = {{0, 0, 0}, {64, 64, 64}, {128, 128, 128}, {255, 255, 255}};
  write_file(PNG_COLOR_TYPE_PALETTE, 8, 200);
  png_structp png = guarded_reader();
  png_infop info = png_create_info_struct(png);
  png_read_info(png, info);
  png_set_quantize(png, colors, 4, 4, NULL, 0);
  read_rows(png, info);
  return 0;
}
