/* Small PNG files in memory, and an allocator that notices every access outside what it gave. */
#include "trigger.h"
#include "png.h"

static unsigned char file[65536];
static size_t file_size, file_read;

__attribute__((unused)) static void put(png_structp png, png_bytep data, size_t length) {
  memcpy(file + file_size, data, length);
  file_size += length;
}

__attribute__((unused)) static void get(png_structp png, png_bytep data, size_t length) {
  memcpy(data, file + file_read, length);
  file_read += length;
}

/* zlib wants its own memory aligned; small arrays end exactly at the page that nobody may touch. */
__attribute__((unused)) static png_voidp allocate(png_structp png, png_alloc_size_t size) {
  return guarded(size < 64 ? size : (size + 7) & ~(size_t)7);
}

__attribute__((unused)) static void release(png_structp png, png_voidp memory) { forbid(memory); }

__attribute__((unused)) static png_structp guarded_reader(void) {
  png_structp png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL, NULL, allocate, release);
  png_set_read_fn(png, NULL, get);
  return png;
}

/* 32 by 32 pixels with the value `fill` in each byte, interlaced; a palette has four grey colours. */
__attribute__((unused)) static void write_file(int color_type, int bit_depth, int fill) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_color colors[4] = {{0, 0, 0}, {64, 64, 64}, {128, 128, 128}, {255, 255, 255}};
  png_byte alphas[4] = {0, 64, 128, 255};
  static png_byte row[32 * 8];
  png_set_write_fn(png, NULL, put, NULL);
  png_set_check_for_invalid_index(png, 0);
  png_set_IHDR(png, info, 32, 32, bit_depth, color_type, PNG_INTERLACE_ADAM7, 0, 0);
  if (color_type == PNG_COLOR_TYPE_PALETTE) {
    png_set_PLTE(png, info, colors, 4);
    png_set_tRNS(png, info, alphas, 4, NULL);
  }
  png_write_info(png, info);
  memset(row, fill, sizeof row);
  for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
    for (int y = 0; y < 32; y++) png_write_row(png, row);
  png_write_end(png, info);
}

/* Reads all rows of the file that `png` has begun to read. */
__attribute__((unused)) static void read_rows(png_structp png, png_infop info) {
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  png_bytep row = guarded(png_get_rowbytes(png, info));
  for (; passes > 0; passes--)
    for (int y = 0; y < 32; y++) png_read_row(png, row, NULL);
}
