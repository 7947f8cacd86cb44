/** Debug information as gcc and clang write it, compared with readelf and with the C compiler. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FormatError } from "../bytes/format-error.ts";
import { parseElf } from "../elf/file.ts";
import { DW_TAG } from "./debug-constants.ts";
import { type DebugEntry, type DebugInfo, parseDebugInfo } from "./debug-info.ts";

const scratch = mkdtempSync(join(tmpdir(), "suture-debug-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const missing = ["gcc", "readelf"].filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
if (missing.length > 0) {
  if (process.env.CI) throw new Error(`the tests need ${missing.join(" and ")}`);
  console.warn(`SKIPPED: the tests need ${missing.join(" and ")}`);
}

const SOURCE = `struct node {
  struct node *next;
  unsigned open : 3, kind : 5;
  union { int number; long wide; };
  char name[16];
  int table[2][3];
};
typedef struct { short low, high; } range_t;
enum state { IDLE, READING = -5, DONE = 0x7fffffff };
struct node *head;
range_t range;
enum state state;
int push(const struct node *node, int (*call)(void *, int)) { return call(head, node->open); }
`;

function compile(name: string, ...flags: readonly string[]): string {
  writeFileSync(join(scratch, "unit.c"), SOURCE);
  const argv = ["-O1", "-w", "-c", "unit.c", ...flags, "-o", `${name}.o`];
  execFileSync("gcc", argv, { cwd: scratch, stdio: ["ignore", "ignore", "inherit"] });
  return join(scratch, `${name}.o`);
}

/** clang's object, from the assembly that it wrote: names and strings go by index in it. */
function assembleClang(): string {
  copyFileSync(join(import.meta.dirname, "clang-types.s"), join(scratch, "clang.s"));
  execFileSync("gcc", ["-c", "clang.s", "-o", "clang.o"], { cwd: scratch });
  return join(scratch, "clang.o");
}

const OBJECTS: readonly (readonly [string, () => string])[] = [
  ["DWARF 2", () => compile("two", "-gdwarf-2")],
  ["DWARF 3", () => compile("three", "-gdwarf-3")],
  ["DWARF 4", () => compile("four", "-gdwarf-4")],
  ["DWARF 5", () => compile("five", "-gdwarf-5")],
  ["the 64-bit format", () => compile("wide", "-g", "-gdwarf64")],
  ["DWARF 4 type units", () => compile("units4", "-gdwarf-4", "-fdebug-types-section")],
  ["DWARF 5 type units", () => compile("units5", "-gdwarf-5", "-fdebug-types-section")],
  ["compressed sections", () => compile("packed", "-gdwarf-5", "-gz")],
  ["clang's DWARF 5", assembleClang],
];

const read = (path: string): DebugInfo => parseDebugInfo(parseElf(readFileSync(path)));

const withChildren = (entry: DebugEntry): readonly DebugEntry[] => [
  entry,
  ...entry.children.flatMap(withChildren),
];

const entriesOf = ({ units }: DebugInfo): readonly DebugEntry[] => units.flatMap(withChildren);

function named(info: DebugInfo, name: string, tag?: number): DebugEntry {
  const found = entriesOf(info).find(
    (entry) =>
      entry.name === name && !entry.declaration && (tag === undefined || entry.tag === tag),
  );
  if (found === undefined) throw new Error(`no entry ${name}`);
  return found;
}

/** How often readelf lists each tag. */
function countTags(path: string): Record<string, number> {
  const text = execFileSync("readelf", ["--debug-dump=info", path], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const counts: Record<string, number> = {};
  for (const [, tag = ""] of text.matchAll(/\((DW_TAG_\w+)\)/g))
    counts[tag] = (counts[tag] ?? 0) + 1;
  return counts;
}

describe.skipIf(missing.length > 0)("debug information", () => {
  test.each(OBJECTS)("%s: finds the entries that readelf lists", (_, make) => {
    const path = make();
    const listed = countTags(path);
    const entries = entriesOf(read(path));
    for (const [tag, number] of Object.entries(DW_TAG)) {
      const count = entries.filter((entry) => entry.tag === number).length;
      expect(count, tag).toBe(listed[tag] ?? 0);
    }
    expect(entries.length).toBeGreaterThan(30);
  });

  test.each(OBJECTS)("%s: has the members where the psABI puts them", (_, make) => {
    const info = read(make());
    const node = named(info, "node", DW_TAG.DW_TAG_structure_type);
    expect(node.byteSize).toBe(64);
    const members = node.children.filter(({ tag }) => tag === DW_TAG.DW_TAG_member);
    expect(members.map(({ name }) => name)).toEqual([
      "next",
      "open",
      "kind",
      undefined,
      "name",
      "table",
    ]);
    const bitsOf = ({ dataBitOffset, memberLocation = 0, bitOffset, bitSize }: DebugEntry) =>
      dataBitOffset ??
      memberLocation * 8 + (bitOffset === undefined ? 0 : 32 - bitOffset - (bitSize ?? 0));
    expect(members.map(bitsOf)).toEqual([0, 64, 67, 128, 192, 320]);
    expect(members.map(({ bitSize }) => bitSize)).toEqual([
      undefined,
      3,
      5,
      undefined,
      undefined,
      undefined,
    ]);
    const table = members.at(-1)?.type;
    expect(table?.children.map(({ count }) => count)).toEqual([2, 3]);
    expect(table?.type?.name).toBe("int");
    // A circle: the struct points to itself.
    const target = members[0]?.type?.type;
    expect(target?.name ?? target?.origin?.name).toBe("node");
  });

  test.each(OBJECTS)("%s: follows references", (_, make) => {
    const info = read(make());
    const range = named(info, "range_t");
    expect(range.type?.byteSize).toBe(4);
    expect(range.type?.name).toBeUndefined();
    expect(named(info, "range").type).toBe(range);
    expect(named(info, "range").hasStaticPlace).toBe(true);
    const push = named(info, "push");
    expect(push.external).toBe(true);
    const [node, call] = push.children.filter(({ tag }) => tag === DW_TAG.DW_TAG_formal_parameter);
    expect(node?.type?.type?.tag).toBe(DW_TAG.DW_TAG_const_type);
    // In type units a stub goes by the type's signature.
    const target = node?.type?.type?.type;
    expect(target?.name ?? target?.origin?.name).toBe("node");
    expect(call?.type?.type?.tag).toBe(DW_TAG.DW_TAG_subroutine_type);
    expect(call?.type?.type?.children).toHaveLength(2);
    const values = named(info, "state", DW_TAG.DW_TAG_enumeration_type).children;
    expect(values.map(({ name, constValue }) => [name, constValue])).toEqual([
      ["IDLE", 0],
      ["READING", -5],
      ["DONE", 0x7fffffff],
    ]);
  });

  test("reads constants of 64 bits exactly", () => {
    writeFileSync(
      join(scratch, "big.c"),
      "enum big { LOW = 1, HIGH = 0xfffffffffffffffe } big; char none[0];\n",
    );
    execFileSync("gcc", ["-g", "-c", "big.c", "-o", "big.o"], { cwd: scratch });
    const info = read(join(scratch, "big.o"));
    expect(named(info, "HIGH").constValue).toBe(0xffff_ffff_ffff_fffen);
    expect(named(info, "LOW").constValue).toBe(1);
  });

  test("an object without debug information has no units", () => {
    expect(read(compile("none", "-g0")).units).toEqual([]);
  });

  test.each(OBJECTS)("%s: any bytes give a value or a FormatError", (_, make) => {
    const bytes = readFileSync(make());
    const ranges = parseElf(bytes)
      .sections.filter(({ name }) => /debug_(info|abbrev|types|str)/.test(name))
      .map(({ sh_offset, sh_size }) => ({ start: Number(sh_offset), size: sh_size }));
    const random = createRandom(7);
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const damaged = Uint8Array.from(bytes);
      for (let change = 0; change <= random(3); change++) {
        const { start, size } = ranges[random(ranges.length)] ?? { start: 0, size: 1 };
        damaged[start + random(size)] = random(256);
      }
      try {
        entriesOf(parseDebugInfo(parseElf(damaged)));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(400);
  });
});

/** A reproducible sequence of integers below a bound (the generator of Park and Miller). */
function createRandom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state * 48271) % 0x7fff_ffff;
    return state % bound;
  };
}
