/** The largest manifest that is read: a build with a thousand fixes stays under a megabyte. */
export const manifestBytesMax = 4 * 1024 * 1024;

/** Items in any list of a manifest: more than all units of the largest packages. */
export const manifestListMax = 20_000;

/** Characters in any text of a manifest: a path or a sentence. */
export const manifestTextMax = 4096;
