/** Bounds on what a hostile file can make the readers do. Counts are bounded by the file itself. */

/** Largest section after inflation: debug sections of the largest browsers stay below it. */
export const INFLATED_SIZE_MAX = 1024 * 1024 * 1024;

/** zlib cannot expand further than this (zlib.net, "Maximum Compression Factor": 1032:1). */
export const ZLIB_RATIO_MAX = 1032;

/** zstd has no such bound; what compilers emit stays far below. */
export const ZSTD_RATIO_MAX = 4096;

/**
 * Names of one table may share their bytes (suffix merging), but not so often that a small file
 * asks for gigabytes of text: total characters read are bounded by factor x table + base.
 */
export const NAME_TOTAL_FACTOR = 16;
export const NAME_TOTAL_BASE = 1024 * 1024;

/** Records in a chain of version definitions or needs: the version index has 15 bits. */
export const VERSION_COUNT_MAX = 0x8000;
