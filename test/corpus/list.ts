/** The list of security fixes: one row of tab-separated values for each fix. */

export interface CorpusRow {
  readonly package: string;
  /** The version whose series had it when the list was made. */
  readonly version: string;
  readonly cves: readonly string[];
  /** Names in debian/patches/series, in its order. */
  readonly patches: readonly string[];
  /** `a` to `f`, `h`, `h2`, `h3`: what an independent comparison of objects found. */
  readonly class: string;
  readonly changedFunctions: readonly string[];
  readonly flags: readonly string[];
}

const columns = [
  "package",
  "version",
  "cve",
  "first_patch",
  "patches",
  "class",
  "changed_functions",
  "flags",
];

/** Parses a list whose first line names the columns; throws an Error that names the line. */
export function parseList(text: string): readonly CorpusRow[] {
  const [head = "", ...lines] = text.split("\n");
  if (head.trimEnd() !== columns.join("\t")) {
    throw new Error(`the list's first line must be the columns ${columns.join(", ")}`);
  }
  return lines.flatMap((line, index) => {
    if (line.trim() === "") return [];
    const fields = line.split("\t");
    const [name = "", version = "", cve = "", patch = "", count, kind = "", functions, flags] =
      fields;
    const patches = words(patch, "+");
    if (name === "" || kind === "" || patches.length !== Number(count)) {
      throw new Error(`line ${index + 2} of the list is not one of ${columns.length} columns`);
    }
    return [
      {
        package: name,
        version,
        cves: words(cve, ","),
        patches,
        class: kind,
        changedFunctions: words(functions ?? "", ","),
        flags: words(flags ?? "", ","),
      },
    ];
  });
}

const words = (text: string, separator: string): readonly string[] =>
  text.split(separator).flatMap((word) => word.trim() || []);
