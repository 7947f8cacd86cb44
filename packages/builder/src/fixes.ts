/** Which fix changed which function, for the manifest. */
import { type Fix, FixVerdict } from "@suture/release";
import type { ChangedName } from "./assemble.ts";
import type { PatchFile } from "./patch-file.ts";

/**
 * One Fix for each patch.
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
    verdict: FixVerdict.inHotpatch,
    functions,
    ...(late.length > 0 && {
      reason: `runs only while the program starts, so it takes effect at the next start: ${late.join(", ")}`,
    }),
  };
}

const names = (patch: PatchFile, { changedFiles, name }: ChangedName): boolean =>
  patch.files.some(({ path, words }) => changedFiles.includes(path) && words.has(plainName(name)));

const touches = (patch: PatchFile, { changedFiles }: ChangedName): boolean =>
  patch.files.some(({ path }) => changedFiles.includes(path));

/** The name in the source of a function that gcc cloned or split. */
const plainName = (name: string): string =>
  name.replace(/\.(?:isra|constprop|part|cold|lto_priv)(?:\.\d+)?.*$/, "");
