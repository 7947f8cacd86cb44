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
