/** Lays rows out in columns that fit the terminal. */
import type { Column, Row } from "./outcome.ts";

const GAP = "  ";

/**
 * The lines of a table. Where `width` is given and the table is wider, columns with `cutTo` are
 * cut, the widest first, and end in `…`; columns without keep their width whatever happens.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly Row[],
  width: number | undefined,
): string[] {
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  if (width !== undefined) narrow(columns, widths, width);
  const format = (cells: Row): string =>
    columns
      .map((column, at) => fit(cells[at] ?? "", widths[at] ?? 0, column.align))
      .join(GAP)
      .trimEnd();
  return [format(columns.map(({ title }) => title)), ...rows.map(format)];
}

function narrow(columns: readonly Column[], widths: number[], width: number): void {
  const room = width - GAP.length * (columns.length - 1);
  for (let total = sum(widths); total > room; total--) {
    let widest = -1;
    for (const [at, { cutTo }] of columns.entries()) {
      const own = widths[at] ?? 0;
      if (cutTo !== undefined && own > cutTo && own > (widths[widest] ?? 0)) widest = at;
    }
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function fit(text: string, width: number, align: Column["align"]): string {
  if (text.length > width) return width < 1 ? "" : `${text.slice(0, width - 1)}…`;
  return align === "right" ? text.padStart(width) : text.padEnd(width);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
