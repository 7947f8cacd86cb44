import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findGeneratedUnits } from "./generated-sources.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-generated-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (path: string, text: string): string => {
  const file = join(folder, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  return file;
};

const unit = (file: string, ...files: string[]) => ({
  command: {
    ...{ directory: join(folder, "built"), file, compiler: "cc" },
    ...{ options: [], language: "c" as const },
  },
  files,
});

test("units that are made from what changes are refused by name, and no others", async () => {
  const parser = write("built/parser.c", '#line 12 "src/parser.y"\nint yyparse;\n');
  const other = write("built/other.c", '#line 1 "lexer.l"\nint other;\n');
  const table = write("built/table.h", "int rebuilt;\n");
  const user = write("built/user.c", "int user;\n");
  const plain = write("built/plain.c", "int plain;\n");
  write("original/table.h", "int shipped;\n");
  write("original/plain.c", "int plain;\n");
  const units = [
    unit("parser.c", parser),
    unit("other.c", other),
    unit("user.c", user, table),
    unit("plain.c", plain),
  ];
  const changes = ["src/parser.y", "table.h", "plain.c"].map((path) => ({
    path,
    change: "changed" as const,
  }));
  const place = { root: join(folder, "built"), original: join(folder, "original") };
  const found = await findGeneratedUnits(units, changes, place);
  expect(found.units.map(({ name }) => name)).toEqual(["parser.c", "user.c"]);
  expect(found.refused.flatMap(({ items }) => items)).toMatchObject([
    { name: "src/parser.y", unit: "parser.c", code: "generated-source" },
    { name: "table.h", unit: "user.c", code: "generated-source" },
  ]);
  expect((await findGeneratedUnits(units, changes.slice(2), place)).refused).toEqual([]);
});

test("a changed copy of a changed source is refused, and a link to it is not", async () => {
  const copy = write("built/copy/a.c", "int a; /* mended by the build */\n");
  const link = write("built/link/b.c", "int b;\n");
  for (const tree of ["built", "original"]) {
    write(`${tree}/lib/a.c`, "int a;\n");
    write(`${tree}/lib/b.c`, "int b;\n");
  }
  const units = [unit("copy/a.c", copy), unit("link/b.c", link, join(folder, "built/lib/b.c"))];
  const changes = ["lib/a.c", "lib/b.c"].map((path) => ({ path, change: "changed" as const }));
  const place = { root: join(folder, "built"), original: join(folder, "original") };
  const { refused } = await findGeneratedUnits(units, changes, place);
  expect(refused.flatMap(({ items }) => items)).toMatchObject([
    { name: "lib/a.c", unit: "copy/a.c", code: "generated-source" },
  ]);
});
