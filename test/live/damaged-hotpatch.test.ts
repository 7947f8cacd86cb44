/** Hotpatch files that are damaged or altered, and a process of the wrong kind, end in a refusal. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  DIGEST_SECTION,
  type Hotpatch,
  isRefusal,
  openEngine,
  parseElf,
  parseHotpatch,
  sealHotpatch,
} from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const workshop = openWorkshop();
const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
let program: string;
let bytes: Uint8Array;
let hotpatch: Hotpatch;

beforeAll(() => {
  program = workshop.compileVictim("quiet", ["-pthread"]);
  ({ bytes, hotpatch } = workshop.makeHotpatch({
    binary: program,
    source: "int value(int x) { return x + 101; }",
    functions: ["value"],
    id: "value",
  }));
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

/** What applying the file's bytes says; the process must not notice. */
function applyBytes(victim: Victim, file: Uint8Array): unknown {
  const parsed = parseHotpatch(file);
  return isRefusal(parsed) ? parsed : engine.apply([victim.pid], parsed);
}

async function expectUnchanged(
  victim: Victim,
  before: ReturnType<typeof takeSnapshot>,
): Promise<void> {
  expect(takeSnapshot(victim.pid)).toEqual(before);
  victim.send("?\n");
  expect(await victim.nextLine(/^value/)).toBe("value 2");
}

/** Places in every part of the file: its header, each section, each section header. */
function places(): number[] {
  const { sections, bytes: all } = parseElf(bytes);
  const starts = [0, ...sections.map((section) => section.sh_offset)];
  const tables = Array.from({ length: sections.length }, (_, index) => {
    return all.length - 64 * (sections.length - index);
  });
  const inside = [...starts, ...tables].flatMap((start) =>
    [0, 1, 2, 4, 9, 17, 33].map((at) => start + at),
  );
  const spread = Array.from({ length: Math.floor(all.length / 61) }, (_, index) => index * 61);
  return [...new Set([...inside, ...spread])].filter((at) => at < all.length);
}

test("a file with one changed bit anywhere is refused, and the process stays as it was", async () => {
  const victim = await workshop.start(program, ["2"]);
  const before = takeSnapshot(victim.pid);
  const tried = places();
  expect(tried.length).toBeGreaterThan(100);
  for (const at of tried) {
    const altered = Uint8Array.from(bytes);
    altered[at] = (altered[at] as number) ^ (1 << (at % 8));
    const report = applyBytes(victim, altered);
    expect(report, `byte ${at}`).toMatchObject({ refused: "bad-hotpatch" });
  }
  await expectUnchanged(victim, before);
  expect(applyBytes(victim, bytes)).toMatchObject([{ id: "value" }]);
});

test("a file that ends too early, or has more behind its end, is refused", async () => {
  const victim = await workshop.start(program, ["2"]);
  const before = takeSnapshot(victim.pid);
  const sizes = Array.from({ length: 60 }, (_, index) => Math.floor((bytes.length * index) / 60));
  for (const size of [...sizes, bytes.length - 1]) {
    const report = applyBytes(victim, bytes.subarray(0, size));
    expect(report, `${size} bytes`).toMatchObject({ refused: "bad-hotpatch" });
  }
  const longer = applyBytes(victim, Uint8Array.from([...bytes, 0]));
  expect(longer).toMatchObject({ refused: "bad-hotpatch" });
  await expectUnchanged(victim, before);
});

test("damage below an intact digest ends in a refusal or in a file that is as good", async () => {
  const victim = await workshop.start(program, ["2"]);
  const before = takeSnapshot(victim.pid);
  const { sections } = parseElf(bytes);
  const kept = sections.find(({ name }) => name === DIGEST_SECTION);
  // New code that is damaged is still code: what the digest is for. All else has a structure.
  const code = sections.filter(({ name }) => /^\.(text|eh_frame|rela)/.test(name));
  const outside = places().filter((at) => {
    return ![...code, kept].some((section) => {
      const offset = section === undefined ? -1 : at - section.sh_offset;
      return section !== undefined && offset >= 0 && offset < section.sh_size;
    });
  });
  for (const at of outside) {
    const altered = Uint8Array.from(bytes);
    altered[at] = (altered[at] as number) ^ 0x10;
    let sealed: Uint8Array;
    try {
      sealed = sealHotpatch(altered);
    } catch {
      continue; // It has no place for a digest any more.
    }
    const report = applyBytes(victim, sealed);
    if (isRefusal(report)) continue;
    const [applied] = report as readonly { id: string }[];
    expect(engine.revert([victim.pid], applied?.id ?? "")).toMatchObject([{ pid: victim.pid }]);
  }
  await expectUnchanged(victim, before);
});

/** The smallest program: an ELF header, one segment, and the calls write(1, "ready\n", 6), pause(). */
function tinyProgram32(): Uint8Array {
  const base = 0x08048000;
  const text = Buffer.from("ready\n");
  const code = Buffer.concat([
    Buffer.of(0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9), // mov eax, 4; mov ebx, 1; mov ecx, TEXT
    little(base + 0x54 + 29),
    Buffer.of(0xba, 6, 0, 0, 0, 0xcd, 0x80), // mov edx, 6; int 0x80
    Buffer.of(0xb8, 29, 0, 0, 0, 0xcd, 0x80), // mov eax, 29 (pause); int 0x80
  ]);
  const size = 0x54 + code.length + text.length;
  const header = Buffer.alloc(0x54);
  header.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]); // 32 bits, little endian
  const halves: readonly (readonly [number, number])[] = [
    [16, 2], // ET_EXEC
    [18, 3], // EM_386
    [40, 52],
    [42, 32],
    [44, 1],
  ];
  for (const [at, value] of halves) header.writeUInt16LE(value, at);
  const words: readonly (readonly [number, number])[] = [
    [20, 1],
    [24, base + 0x54], // entry
    [28, 52], // program headers
    [52, 1], // PT_LOAD
    [60, base],
    [64, base],
    [68, size],
    [72, size],
    [76, 5], // r-x
    [80, 0x1000],
  ];
  for (const [at, value] of words) header.writeUInt32LE(value, at);
  return Buffer.concat([header, code, text]);
}

function little(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

test("a 32-bit program is refused", async () => {
  const path = join(workshop.folder, "program32");
  writeFileSync(path, tinyProgram32());
  chmodSync(path, 0o755);
  const victim = await workshop.start(path);
  const before = takeSnapshot(victim.pid);
  const refused = { refused: "unsupported-process" };
  expect(engine.apply([victim.pid], hotpatch)).toMatchObject(refused);
  expect(engine.check(victim.pid, hotpatch)).toMatchObject(refused);
  const summary = engine.processes().find(({ pid }) => pid === victim.pid);
  expect(summary?.patchable).toMatchObject(refused);
  expect(takeSnapshot(victim.pid)).toEqual(before);
  expect(victim.ending()).toBeUndefined();
});
