/**
 * The names that gcc makes up, and what they derive from.
 *
 * `parse.isra.0` is a clone of `parse`, `parse.cold` the split-off part of `parse`, `calls.2` a
 * static variable `calls` inside some function, `CSWTCH.7` the table of some switch. The numbers
 * come from counters that the whole unit shares, so they mean nothing across two compilations.
 */

const CLONE = /\.(isra|constprop|part|simdclone|lto_priv|localalias)(\.\d+)?/;
const NUMBERS = /\.\d+(?=\.|$)/g;

/** The name without the numbers that a counter gave: `parse.isra.0.cold` -> `parse.isra.cold`. */
export const familyName = (name: string): string => name.replace(NUMBERS, "");

/** The function as the source names it: `parse.isra.0.cold` -> `parse`. */
export const sourceName = (name: string): string => name.replace(/\..*$/s, "") || name;

/** True for copies that the compiler may have given other parameters than the source says. */
export const isClone = (name: string): boolean => CLONE.test(name);

/** True for names that end in a number of the compiler's: statics of functions, tables. */
export const isNumbered = (name: string): boolean => /\.\d+$/.test(name);

/** The function of which this is the split-off part, if it is one. */
export const hotName = (name: string): string | undefined =>
  /\.cold(\.\d+)?$/.test(name) ? name.replace(/\.cold(\.\d+)?$/, "") : undefined;

/** Read-only data that only the compiler knows: its content is all that matters. */
export const isCompilerConstant = (name: string): boolean =>
  /^(CSWTCH|__PRETTY_FUNCTION__|__FUNCTION__|__func__|C(\.\d+)?)\.\d+$/.test(name);
