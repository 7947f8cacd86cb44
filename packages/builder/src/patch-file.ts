/** What a patch file says of itself: which files and functions it touches, which CVEs it names. */

export interface PatchFile {
  /** The name to report it by. */
  readonly name: string;
  readonly cves: readonly string[];
  readonly files: readonly PatchedFile[];
}

export interface PatchedFile {
  /** The path without its first part, as `patch -p1` takes it. */
  readonly path: string;
  /** All identifiers that stand in its hunks: changed lines, context, and hunk headings. */
  readonly words: ReadonlySet<string>;
}

/**
 * Reads a unified diff with whatever text stands before it (an e-mail, DEP-3 headers).
 *
 * CVE ids come from the name and from the text before the first diff: the diff itself may quote
 * others, in a changelog for example.
 */
export function parsePatchFile(name: string, text: string): PatchFile {
  const lines = text.split("\n");
  const firstDiff = lines.findIndex((line) => /^(?:---\s|diff --git|Index:\s)/.test(line));
  const heading = firstDiff < 0 ? text : lines.slice(0, firstDiff).join("\n");
  const files: { path: string; words: Set<string> }[] = [];
  let oldPath = "";
  for (const [index, line] of lines.entries()) {
    if (line.startsWith("--- ") && (lines[index + 1] ?? "").startsWith("+++ ")) {
      oldPath = pathOf(line);
    } else if (line.startsWith("+++ ") && (lines[index - 1] ?? "").startsWith("--- ")) {
      const path = pathOf(line) === "/dev/null" ? oldPath : pathOf(line);
      files.push({ path: path.slice(path.indexOf("/") + 1), words: new Set() });
    } else if (/^[-+ @]/.test(line)) {
      const words = files.at(-1)?.words;
      for (const [word] of line.matchAll(/[A-Za-z_]\w*/g)) words?.add(word);
    }
  }
  return { name, cves: cvesIn(`${name}\n${heading}`), files };
}

/** The CVE ids in a text, each once, sorted. */
export function cvesIn(text: string): readonly string[] {
  const ids = [...text.matchAll(/CVE[-_ ]?(\d{4})[-_](\d{4,})/gi)].map(
    ([, year, number]) => `CVE-${year}-${number}`,
  );
  return [...new Set(ids)].sort();
}

/** The active entries of a quilt series file: names without options and comments. */
export const parseSeries = (text: string): readonly string[] =>
  text.split("\n").flatMap(
    (line) =>
      line
        .replace(/(^|\s)#.*/, "")
        .trim()
        .split(/\s+/)[0] || [],
  );

/** The entries that only the newer series has. */
export const addedPatches = (
  before: readonly string[],
  after: readonly string[],
): readonly string[] => after.filter((name) => !before.includes(name));

const pathOf = (line: string): string => line.slice(4).split("\t")[0]?.trim() ?? "";
