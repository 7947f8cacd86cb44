/** Which fix changed which function, for the manifest. */
import { type Fix, FixVerdict } from "@suture/release";
import type { CompileCommand } from "./compiler-arguments.ts";
import type { PatchFile } from "./patch-file.ts";

/** A changed function. */
export interface ChangedName {
  /** The compile command of its unit (`commandKey`): numbers in unit names depend on the fix. */
  readonly key: string;
  readonly unit: string;
  /** Files of the fix that the unit is made of. */
  readonly changedFiles: readonly string[];
  readonly name: string;
  /** The function runs only while the program starts: a running one has no use for the fix. */
  readonly onlyAtStart: boolean;
}

/** What two units of one source differ in. */
export const commandKey = (command: CompileCommand): string => JSON.stringify(command);

/**
 * One Fix for each patch, as far as their words tell; where it can be found out what each patch
 * changes by itself, that counts instead (fix-effects.ts).
 *
 * A changed function belongs to every patch that touches a file of its unit and names it in a
 * hunk; one that no patch names (a callee was inlined into it) belongs to all patches that
 * touch a file of its unit.
 */
export function attributeFixes(
  patches: readonly PatchFile[],
  changed: readonly ChangedName[],
): readonly Fix[] {
  const named = new Set(changed.filter((name) => patches.some((patch) => names(patch, name))));
  return patches.map((patch) => {
    const own = changed.filter(
      (name) => names(patch, name) || (!named.has(name) && touches(patch, name)),
    );
    return fixOf(patch, own);
  });
}

/** The patches that want a change in a unit: those that name it, or else all that touch it. */
export function patchesFor(
  patches: readonly PatchFile[],
  change: Pick<ChangedName, "changedFiles" | "name">,
): readonly PatchFile[] {
  const named = patches.filter((patch) => names(patch, change));
  return named.length > 0 ? named : patches.filter((patch) => touches(patch, change));
}

function fixOf(patch: PatchFile, own: readonly ChangedName[]): Fix {
  const source = patch.name;
  const { cves } = patch;
  if (own.length === 0) {
    return {
      cves,
      source,
      verdict: FixVerdict.nothingToDo,
      functions: [],
      reason: patch.files.some(({ path }) => /\.[ch]$/.test(path))
        ? "no machine code of this program or library changes"
        : "no C source changes",
    };
  }
  const functions = [...new Set(own.map(({ name }) => plainName(name)))].sort();
  const late = own.filter(({ onlyAtStart }) => onlyAtStart).map(({ name }) => name);
  return {
    cves,
    source,
    verdict: late.length > 0 ? FixVerdict.onlyAtStart : FixVerdict.inHotpatch,
    functions,
    ...(late.length > 0 && {
      reason: `runs only while the program starts, so it takes effect at the next start: ${late.join(", ")}`,
    }),
  };
}

const names = (
  patch: PatchFile,
  { changedFiles, name }: Pick<ChangedName, "changedFiles" | "name">,
): boolean =>
  patch.files.some(({ path, words }) => changedFiles.includes(path) && words.has(plainName(name)));

const touches = (patch: PatchFile, { changedFiles }: Pick<ChangedName, "changedFiles">): boolean =>
  patch.files.some(({ path }) => changedFiles.includes(path));

/** The name in the source of a function that gcc cloned or split. */
export const plainName = (name: string): string =>
  name.replace(/\.(?:isra|constprop|part|cold|lto_priv)(?:\.\d+)?.*$/, "");
