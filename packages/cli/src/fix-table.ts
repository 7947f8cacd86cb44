/** The fixes of a build as a table: what became of each, where, and why. */
import type { FixInBinary, FixReport } from "@suture/builder";
import { type Block, line, table } from "./outcome.ts";

const columns = [
  { title: "FIX", cutTo: 16 },
  { title: "FILE", cutTo: 10 },
  { title: "VERDICT" },
  { title: "FUNCTIONS OR REASON", cutTo: 20 },
];

/** A row for each fix and file, and a line that counts them; nothing where there are no fixes. */
export function describeFixes(fixes: readonly FixReport[]): readonly Block[] {
  if (fixes.length === 0) return [];
  const rows = fixes.flatMap((fix) => {
    const name = fix.cves.join(" ") || fix.source;
    if (fix.binaries.length === 0) return [[name, "-", fix.verdict, fix.reason ?? ""]];
    return fix.binaries.map((binary) => [
      name,
      binary.file.slice(binary.file.lastIndexOf("/") + 1),
      binary.verdict,
      functionsOrReason(binary),
    ]);
  });
  const counts = new Map<string, number>();
  for (const { verdict } of fixes) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  const counted = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
  return [table(columns, rows), line(`fixes: ${counted}`)];
}

function functionsOrReason({ functions, onlyAtStart, obstacles, verdict }: FixInBinary): string {
  if (obstacles.length > 0) {
    return [...new Set(obstacles.map(({ code, name }) => `${code}: ${name}`))].join("; ");
  }
  if (onlyAtStart.length > 0) return `${functions.join(" ")} (at start: ${onlyAtStart.join(" ")})`;
  return verdict === "nothing-to-do" ? "no machine code changes" : functions.join(" ");
}
