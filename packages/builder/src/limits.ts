/** Compilations at once: small machines build too, and a full rebuild follows the same number. */
export const compilesAtOnce = 2;

/** Differences after which two files count as unrelated: the line diff's memory grows squared. */
export const lineDifferencesMax = 3000;

/** Output of a program that is kept, in bytes: the end of a compiler's messages is what matters. */
export const outputKeptMax = 64 * 1024 * 1024;

/** Lines of a failed program's output that an error shows. */
export const failureLinesShown = 15;

/** The slowest rebuild that is waited for, in milliseconds. */
export const rebuildTimeoutMs = 2 * 60 * 60 * 1000;

/** The slowest download and installation of a root that is waited for, in milliseconds. */
export const baseRootTimeoutMs = 60 * 60 * 1000;

/** A compilation that takes longer hangs. */
export const compileTimeoutMs = 10 * 60 * 1000;

/** Bytes from which on a function's code, found once in a program, is taken for its own. */
export const aloneSizeMin = 64;

/** Bytes by which fillers may change the size of a function between object and program. */
export const sizeSlack = 16;

/** Bytes that a function loses at most for each branch that becomes short, fillers included. */
export const branchShrinkMax = 8;

/** The share of a unit's functions that a search by code must find: a few may be copies. */
export const foundShareMin = 0.5;

/** The share from which on a unit with too few functions found may still be in the program. */
export const doubtShareMin = 0.1;

/** Response files within response files that are followed: nobody nests them deeper on purpose. */
export const responseDepthMax = 10;
