/**
 * Every reason for which a build ends without a hotpatch, in one table.
 *
 * A refusal is safe and expected; it is a value, never thrown. What the engine's differ refuses
 * is carried through as the items of `not-patchable`, with the differ's own codes.
 */
export const BUILD_REFUSALS = {
  "nothing-recorded": "the build ran no C compiler that could be recorded",
  "build-failed": "the source does not build",
  "bad-compile-commands": "the compile commands cannot be used",
  "patch-does-not-apply": "the fix does not apply to the source",
  "no-change": "the fix changes nothing in the machine code",
  "not-in-binary": "the changed code is not part of the program or library",
  "bad-binary": "the program or library cannot be patched",
  "not-the-source": "the source is not that of the program or library",
  "not-patchable": "the fix changes something that cannot change in a running process",
  "symbol-not-found": "a symbol that the new code needs was not found in the program or library",
  "no-symbols": "no symbols are known for the program or library",
  "no-such-package": "the archive does not have this package or version",
  "archive-unreachable": "the package archive cannot be used",
  "missing-build-dependencies": "packages that the build needs cannot be installed in its root",
  "missing-tool": "a program that the build needs is not installed",
  "not-root": "packages are built in a file system root of their own, which only root can make",
} as const;

export type BuildRefusalCode = keyof typeof BUILD_REFUSALS;

/** A build that was refused, the things that stand in its way, and what to do next. */
export interface BuildRefusal {
  readonly refused: BuildRefusalCode;
  readonly items: readonly RefusalItem[];
  readonly next: string;
}

export interface RefusalItem {
  /** The function, variable, unit, file or package. */
  readonly name: string;
  /** One of BUILD_REFUSALS, of the engine's DIFF_REFUSALS, of the units' (`lto`), or FINE. */
  readonly code: string;
  readonly detail: string;
  /** The translation unit that it is about. */
  readonly unit?: string;
  /** The fix that wants the change: the patch's name. */
  readonly fix?: string;
}

/** The code of an item that is no obstacle: what of a refused fix could go into a hotpatch. */
export const FINE = "fine";

export const isBuildRefusal = (value: unknown): value is BuildRefusal =>
  typeof value === "object" && value !== null && "refused" in value && "items" in value;

/** A refusal about one thing. */
export const refuseBuild = (
  refused: BuildRefusalCode,
  problem: { readonly name: string; readonly detail: string; readonly next: string },
): BuildRefusal => ({
  refused,
  items: [{ name: problem.name, code: refused, detail: problem.detail }],
  next: problem.next,
});

/** One refusal with the things of all; the first decides its code and what to do next. */
export const combineRefusals = (
  first: BuildRefusal,
  others: readonly BuildRefusal[],
): BuildRefusal => ({ ...first, items: [first, ...others].flatMap(({ items }) => items) });
