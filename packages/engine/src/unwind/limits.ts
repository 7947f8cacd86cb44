/** Frames of one walk: deeper recursion is left to the scan of the stack's words. */
export const FRAMES_MAX = 512;
