/** The words of refusals about types, and damaged debug information. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FormatError } from "../bytes/format-error.ts";
import { parseElf } from "../elf/file.ts";
import { diffObjects } from "./diff.ts";

const scratch = mkdtempSync(join(tmpdir(), "suture-layouts-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const hasCompiler = spawnSync("gcc", ["--version"]).status === 0;
if (!hasCompiler) {
  if (process.env.CI) throw new Error("the tests need gcc");
  console.warn("SKIPPED: the tests need gcc");
}

function compile(source: string, name: string): Uint8Array {
  writeFileSync(join(scratch, "unit.c"), source);
  const options = ["-O2", "-g", "-ffunction-sections", "-fdata-sections", "-w"];
  execFileSync("gcc", [...options, "-c", "unit.c", "-o", name], { cwd: scratch });
  return readFileSync(join(scratch, name));
}

const USE = "int use(struct node *n) { return n->len; } struct node *spare; int more;\n";
const objectOf = (declarations: string, name: string): Uint8Array =>
  compile(`${declarations}\n${USE}`, name);

/** What the differ says when a declaration changes. */
function explain(before: string, after: string): readonly string[] {
  const diff = diffObjects(
    parseElf(objectOf(before, "before.o")),
    parseElf(objectOf(after, "after.o")),
  );
  return diff.refusals
    .filter(({ code }) => code === "type-layout" || code === "enumerator-value")
    .map(({ name, detail }) => `${name}: ${detail}`);
}

describe.skipIf(!hasCompiler)("refusals about types", () => {
  test.each([
    [
      "struct node { int len; };",
      "struct node { int len; long id; };",
      "struct node: member id (long int at byte 8) is new; the type has 4 bytes before and 16 after",
    ],
    [
      "struct node { int len; char *name; };",
      "struct node { int len; };",
      "struct node: member name (char * at byte 8) is gone; the type has 16 bytes before and 4 after",
    ],
    [
      "struct node { char name[8]; int len; };",
      "struct node { char name[20]; int len; };",
      "struct node: member name (char [8] at byte 0) is char [20] at byte 0 after (and 1 more); the type has 12 bytes before and 24 after",
    ],
    [
      "struct node { int len; int size; };",
      "struct node { int size; int len; };",
      "struct node: member len (int at byte 0) is at byte 4 after (and 1 more); the type has 8 bytes before and after",
    ],
    [
      "struct node { int len; unsigned open : 1; };",
      "struct node { int len; unsigned open : 2; };",
      "struct node: member open (unsigned int : 1 at byte 4, bit 0) is unsigned int : 2 at byte 4, bit 0 after; the type has 8 bytes before and after",
    ],
    [
      "struct node { int len; int (*call)(void *, int); };",
      "struct node { int len; int (*call)(void *, long); };",
      "struct node: member call (int (*)(void *, int) at byte 8) is int (*)(void *, long int) at byte 8 after; the type has 16 bytes before and after",
    ],
    [
      "struct limit { int low; }; struct node { int len; struct limit limits[2]; };",
      "struct limit { int low, high; }; struct node { int len; struct limit limits[2]; };",
      "struct limit: member high (int at byte 4) is new; the type has 4 bytes before and 8 after",
    ],
    [
      "struct node { int len; }; static int *place; int *get(void) { return place; }",
      "struct node { int len; }; static char *place; char *get(void) { return place; }",
      "variable place: it is int * (8 bytes) before and char * (8 bytes) after",
    ],
    [
      "struct node { int len; }; enum state { IDLE, DONE } state;",
      "struct node { int len; }; enum state { IDLE, WAIT, DONE } state;",
      "DONE: in enum state, DONE is 1 before and 2 after",
    ],
  ])("%s -> %s", (before, after, sentence) => {
    expect(explain(before, after)).toEqual([sentence]);
    expect(explain(before, before)).toEqual([]);
  });

  test("damaged debug information gives a value or a FormatError", () => {
    const before = objectOf("struct node { int len; union { int a; long b; }; };", "one.o");
    const after = objectOf("struct node { int len; struct { int c[3]; } d; };", "two.o");
    const sections = parseElf(after).sections.filter(({ name }) =>
      /debug_(info|abbrev)/.test(name),
    );
    let state = 11;
    const random = (bound: number): number => {
      state = (state * 48271) % 0x7fff_ffff;
      return state % bound;
    };
    let compared = 0;
    for (let round = 0; round < 600; round++) {
      const damaged = Uint8Array.from(after);
      const section = sections[random(sections.length)];
      if (section === undefined) throw new Error("no debug information");
      damaged[Number(section.sh_offset) + random(section.sh_size)] = random(256);
      try {
        diffObjects(parseElf(before), parseElf(damaged));
        diffObjects(parseElf(damaged), parseElf(before));
        compared++;
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
    expect(compared).toBeGreaterThan(0);
    expect(compared).toBeLessThan(600);
  });
});
