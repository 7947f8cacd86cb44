/** The documents list what the tables in the code hold: no reason more, none less, none twice. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AGENT_PROBLEMS, DECISION_REASONS, NETWORK_PROBLEMS } from "@suture/agent";
import { RELEASE_PROBLEMS } from "@suture/release";
import { describe, expect, test } from "vitest";
import { BUILD_REFUSALS } from "../packages/builder/src/refusals.ts";
import { VERIFY_PROBLEMS } from "../packages/builder/src/verify/problems.ts";
import { EXIT_CODES } from "../packages/cli/src/exit-codes.ts";
import { DIFF_REFUSALS } from "../packages/engine/src/diff/refusal.ts";
import { REFUSALS } from "../packages/engine/src/refusals.ts";

const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../docs/${name}`, import.meta.url)), "utf8");

interface Row {
  readonly code: string;
  readonly meaning: string;
  readonly next: string;
}

/** The text between a heading of the second level and the next. */
function sectionOf(text: string, heading: string): string {
  const start = text.indexOf(`\n## ${heading}\n`);
  expect(start, `a section "${heading}"`).toBeGreaterThan(0);
  const end = text.indexOf("\n## ", start + 1);
  return text.slice(start, end < 0 ? text.length : end);
}

const rowsOf = (section: string): Row[] =>
  [...section.matchAll(/^\| `([^`]+)` \| (.*?) \| (.*?) \|$/gm)].map(
    ([, code = "", meaning = "", next = ""]) => ({ code, meaning, next }),
  );

type TableWithNext = Readonly<Record<string, { readonly meaning: string; readonly next: string }>>;

const TABLES_WITH_NEXT: readonly (readonly [string, TableWithNext])[] = [
  ["What an agent decides", DECISION_REASONS],
  ["Requests to an agent", AGENT_PROBLEMS],
  ["An agent's connections", NETWORK_PROBLEMS],
  ["Release channels", RELEASE_PROBLEMS],
];

const meaningsOf = (table: TableWithNext): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(table).map(([code, { meaning }]) => [code, meaning]));

const TABLES: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ["Processes and hotpatch files", REFUSALS],
  ["Builds", BUILD_REFUSALS],
  ["Changes that cannot go into a running process", DIFF_REFUSALS],
  ["Verification", VERIFY_PROBLEMS],
  ...TABLES_WITH_NEXT.map(([heading, table]) => [heading, meaningsOf(table)] as const),
];

test.each(TABLES_WITH_NEXT)(
  "%s: the next step is the one that the program gives",
  (heading, table) => {
    const rows = rowsOf(sectionOf(read("reason-codes.md"), heading));
    expect(rows.map(({ code, next }) => [code, next])).toEqual(
      Object.entries(table).map(([code, { next }]) => [code, next]),
    );
  },
);

describe("docs/reason-codes.md", () => {
  const text = read("reason-codes.md");

  test.each(TABLES)("%s: has exactly the codes of the table, in its order", (heading, table) => {
    const codes = rowsOf(sectionOf(text, heading)).map(({ code }) => code);
    expect(codes).toEqual(Object.keys(table));
  });

  test.each(TABLES)("%s: gives each code its meaning and a next step", (heading, table) => {
    for (const { code, meaning, next } of rowsOf(sectionOf(text, heading))) {
      expect(meaning, code).toBe(table[code]);
      expect(next.length, `${code} has a next step`).toBeGreaterThan(3);
    }
  });

  test("has no row outside of these tables", () => {
    const inTables = TABLES.flatMap(([heading]) => rowsOf(sectionOf(text, heading)));
    const lines = text.split("\n").filter((line) => line.startsWith("| `"));
    expect(lines).toHaveLength(inTables.length);
  });
});

test("docs/operations.md has the exit codes of the code", () => {
  const text = read("operations.md");
  for (const { code, meaning } of Object.values(EXIT_CODES))
    expect(text).toContain(`| ${code} | ${meaning} |`);
});

test("docs/operations.md explains no reason that does not exist", () => {
  const section = sectionOf(read("operations.md"), "When it says no");
  const named = [...section.matchAll(/^- (.+?):/gm)].flatMap(([, codes = ""]) =>
    [...codes.matchAll(/`([a-z-]+)`/g)].map(([, code = ""]) => code),
  );
  expect(named.length).toBeGreaterThan(3);
  for (const code of named) expect(Object.keys(REFUSALS)).toContain(code);
});
