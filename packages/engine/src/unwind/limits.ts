/** Frames of one walk: deeper recursion is left to the scan of the stack's words. */
export const FRAMES_MAX = 512;

/** Rows of one module that are searched before a new one is built: a search takes 0.2 us. */
export const ROWS_KEPT = 128;
