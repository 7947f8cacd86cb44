/* CVE-2026-25646: reducing a palette mixes up indices and searches beyond its table of distances. */
#include "png-images.h"

/* Only the table is guarded: it has a pointer for each distance, and its entries are many. */
static png_voidp allocate_table(png_structp png, png_alloc_size_t size) {
  return size == 769 * sizeof(void *) ? guarded(size) : malloc(size);
}

static void keep(png_structp png, png_voidp memory) {}

static int misbehaves(void) {
  png_color colors[256];
  for (int i = 0; i < 256; i++) {
    /* Two clusters of colours in opposite corners. */
    png_byte base = i % 2 == 0 ? 0 : 240;
    colors[i] = (png_color){base + i % 13, base + i % 7, base + i % 5};
  }
  png_structp png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL, NULL, allocate_table, keep);
  png_set_quantize(png, colors, 256, 1, NULL, 0);
  return 0;
}
