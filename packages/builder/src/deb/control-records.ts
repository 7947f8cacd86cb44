/** A stanza of a Debian control file: field names in lower case, folded lines joined by `\n`. */
export type ControlRecord = ReadonlyMap<string, string>;

/** Reads stanzas separated by empty lines (Debian Policy 5.1). Comment lines are left out. */
export function parseControlRecords(text: string): readonly ControlRecord[] {
  const records: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  let field = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    if (line.trim() === "") {
      current = undefined;
      continue;
    }
    if (current === undefined) {
      current = new Map();
      records.push(current);
    }
    if (/^[ \t]/.test(line)) {
      current.set(field, `${current.get(field) ?? ""}\n${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    field = line.slice(0, colon).toLowerCase();
    current.set(field, line.slice(colon + 1).trim());
  }
  return records;
}

/** Writes one stanza as it was read. */
export function formatControlRecord(record: ControlRecord): string {
  const lines = [...record].map(([field, value]) => {
    const folded = value.split("\n").map((line, index) => (index === 0 ? line : ` ${line}`));
    return `${field}: ${folded.join("\n")}`.replace(/: $/m, ":");
  });
  return `${lines.join("\n")}\n`;
}
