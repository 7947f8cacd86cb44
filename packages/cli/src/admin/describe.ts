/** Facts of the server as text: a field a line, lists of objects as tables. */
import { type Block, type Column, line, table } from "../outcome.ts";

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const areObjects = (value: unknown): value is readonly Fields[] =>
  Array.isArray(value) && value.length > 0 && value.every(isObject);

/** A value in a cell or behind a field's name. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(valueText).join(" ") || "-";
  if (isObject(value)) return JSON.stringify(value);
  return String(value);
}

/** `openCves` as people read it: `open cves`. */
export const words = (field: string): string =>
  field.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

/** All fields of one thing; lists of objects come last, each with its name above it. */
export function describe(thing: Fields): Block[] {
  const { plain, lists } = parted(thing);
  const width = Math.max(0, ...plain.map(([name]) => name.length));
  return [
    ...plain.map(([name, value]) => line(`${name.padEnd(width)}  ${valueText(value)}`)),
    ...lists.flatMap(([name, rows]) => [line(""), line(`${name}:`), rowsTable(rows)]),
  ];
}

interface Parted {
  readonly plain: readonly (readonly [string, unknown])[];
  readonly lists: readonly (readonly [string, readonly Fields[]])[];
}

function parted(thing: Fields, prefix = ""): Parted {
  const plain: (readonly [string, unknown])[] = [];
  const lists: (readonly [string, readonly Fields[]])[] = [];
  for (const [field, value] of Object.entries(thing)) {
    const name = `${prefix}${words(field)}`;
    if (areObjects(value)) lists.push([name, value]);
    else if (isObject(value) && field !== "scope") {
      const inner = parted(value, `${name}: `);
      plain.push(...inner.plain);
      lists.push(...inner.lists);
    } else plain.push([name, value]);
  }
  return { plain, lists };
}

/** Columns are the fields that some row has, in the order of their first appearance. */
export function rowsTable(rows: readonly Fields[]): Block {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return columnsTable(
    fields.map((field) => ({ field })),
    rows,
  );
}

export interface FieldColumn {
  readonly field: string;
  /** Absent: the field's name. */
  readonly title?: string;
}

/** Ids, moments and counts are shown whole; texts are cut where the terminal is narrow. */
export function columnsTable(columns: readonly FieldColumn[], rows: readonly Fields[]): Block {
  const heads = columns.map(({ field, title }): Column => {
    const values = rows.map((row) => row[field]);
    const isNumber = values.length > 0 && values.every((value) => typeof value === "number");
    return {
      title: (title ?? words(field)).toUpperCase(),
      ...(isNumber && { align: "right" as const }),
      ...(!isNumber && field !== "id" && { cutTo: 8 }),
    };
  });
  const cells = rows.map((row) => columns.map(({ field }) => valueText(row[field])));
  return table(heads, cells);
}
