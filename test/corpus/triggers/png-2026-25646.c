/* CVE-2026-25646: reducing a palette mixes up indices and searches beyond its table of distances. */
#include "png-images.h"

static int misbehaves(void) {
  png_color colors[256];
  unsigned int random = 1;
  for (int i = 0; i < 256; i++) {
    /* Two clusters of colours at opposite corners. */
    png_byte base = i % 2 == 0 ? 0 : 250;
    random = random * 1103515245u + 12345u;
    colors[i] = (png_color){base + (random >> 16) % 6, base + (random >> 20) % 6, base + (random >> 24) % 6};
  }
  for (int most = 2; most < 16; most++) {
    png_structp png = guarded_reader();
    png_set_quantize(png, colors, 256, most, NULL, 0);
  }
  return 0;
}
