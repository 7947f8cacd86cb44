/**
 * The machine's apt sources with the source packages added, as text for a private folder: no
 * file of the system is changed, and its keys and restrictions stay in force (sources.list(5)).
 */
import { formatControlRecord, parseControlRecords } from "./control-records.ts";

/** Of a file `NAME.sources` in deb822 format. */
export function withSourcePackages(text: string): string {
  return parseControlRecords(text)
    .filter(
      (record) => record.has("uris") && !/^(?:no|false|0)$/i.test(record.get("enabled") ?? ""),
    )
    .map((record) => formatControlRecord(new Map([...record, ["types", "deb deb-src"]])))
    .join("\n");
}

/** Of a file `NAME.list` in one-line format. */
export function withSourceLines(text: string): string {
  const lines = text.split("\n").flatMap((line) => {
    const entry = /^\s*deb(?:-src)?\s+(.*)$/.exec(line)?.[1];
    return entry === undefined ? [] : [`deb ${entry}`, `deb-src ${entry}`];
  });
  return [...new Set(lines), ""].join("\n");
}

/** One suite of an archive. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** The file with its keys, where it names one. */
  readonly signedBy?: string;
}

/** The suites with binary packages in a file of either format, in its order. */
export function parseSources(text: string, fileName: string): readonly AptSource[] {
  return fileName.endsWith(".sources") ? sourcesOfRecords(text) : sourcesOfLines(text);
}

/** What a file of either format says of one suite's binary packages. */
export function onlySuite(text: string, fileName: string, suite: string): string {
  if (!fileName.endsWith(".sources")) {
    const lines = text.split("\n").filter((line) => sourcesOfLines(line)[0]?.suite === suite);
    return `${lines.join("\n")}\n`;
  }
  return parseControlRecords(text)
    .filter((record) => sourcesOfRecords(formatControlRecord(record)).some(isOf(suite)))
    .map((record) => formatControlRecord(new Map([...record, ["suites", suite], ["types", "deb"]])))
    .join("\n");
}

const isOf =
  (suite: string) =>
  (source: AptSource): boolean =>
    source.suite === suite;

function sourcesOfRecords(text: string): readonly AptSource[] {
  return parseControlRecords(text).flatMap((record) => {
    const words = (field: string): readonly string[] =>
      (record.get(field) ?? "").split(/\s+/).filter((word) => word !== "");
    if (!words("types").includes("deb")) return [];
    const signedBy = words("signed-by").find((word) => word.startsWith("/"));
    return words("uris").flatMap((uri) =>
      words("suites").map((suite) => ({
        uri,
        suite,
        components: words("components"),
        ...(signedBy !== undefined && { signedBy }),
      })),
    );
  });
}

function sourcesOfLines(text: string): readonly AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\/\S+)/.exec(options)?.[1];
    return [
      {
        uri,
        suite,
        components: components.split(/\s+/).filter((word) => word !== ""),
        ...(signedBy !== undefined && { signedBy }),
      },
    ];
  });
}
