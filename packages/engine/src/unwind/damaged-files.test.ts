/** Any bytes give a value or a FormatError with its offset: every parser, on damaged real files. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { fileAddr, virtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { createCallFrames } from "../dwarf/cfi.ts";
import { parseEhFrameHdr } from "../dwarf/eh-frame-hdr.ts";
import { evaluate, parseExpression } from "../dwarf/expression.ts";
import { buildRow } from "../dwarf/frame-row.ts";
import { functionRanges, unwindTables } from "../dwarf/unwind-tables.ts";
import { readSection } from "../elf/compression.ts";
import { SHT } from "../elf/constants.ts";
import { checkDebugFile, debugFileCandidates } from "../elf/debug-file.ts";
import { parseDynamic } from "../elf/dynamic.ts";
import {
  compile,
  createFolder,
  hasPrograms,
  runQuietly,
  VARIED_SOURCE,
} from "../elf/elf-fixtures.ts";
import { type ElfFile, parseElf, parseElfImage } from "../elf/file.ts";
import { buildId } from "../elf/note.ts";
import { relocationsOf } from "../elf/relocation.ts";
import { dynamicSymbols, symbolTable } from "../elf/symbol.ts";
import { unwindModules } from "./core-fixture.ts";
import { createUnwinder } from "./unwinder.ts";

const folder = createFolder("damaged");
afterAll(() => rmSync(folder, { recursive: true }));

/** Damage done to a file: bytes flipped, numbers put in, a piece copied elsewhere, the end cut. */
interface Damage {
  readonly flips: readonly (readonly [number, number])[];
  readonly numbers: readonly (readonly [number, number])[];
  readonly splices: readonly (readonly [number, number, number])[];
  readonly cut: number;
}

/** Where things are told by numbers, and which numbers hurt. */
const NUMBERS = [0, 1, 3, 4, 8, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
/** From 0 up to 1, evenly: fast-check's own bias would hit the file's first byte nearly always. */
const place = fc.noBias(fc.nat(2 ** 24 - 1)).map((part) => part / 2 ** 24);
const damage: fc.Arbitrary<Damage> = fc.record({
  flips: fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
  numbers: fc.array(fc.tuple(place, fc.constantFrom(...NUMBERS)), { maxLength: 3 }),
  splices: fc.array(fc.tuple(place, place, fc.integer({ min: 1, max: 64 })), { maxLength: 2 }),
  cut: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: place }),
});

/** A quarter of the damage falls anywhere, the rest on the small parts that are read as numbers. */
function apply(original: Uint8Array, targets: readonly Range[], done: Damage): Uint8Array {
  const bytes = new Uint8Array(original);
  const view = new DataView(bytes.buffer);
  const offsetOf = (part: number): number => {
    if (part < 0.25) return Math.floor(part * 4 * bytes.length);
    const position = ((part - 0.25) / 0.75) * targets.length;
    const { start, size } = targets[Math.floor(position)] ?? { start: 0, size: 1 };
    return start + Math.floor((position % 1) * size);
  };
  for (const [part, mask] of done.flips) {
    const at = offsetOf(part);
    view.setUint8(at, view.getUint8(at) ^ mask);
  }
  for (const [part, number] of done.numbers) {
    const at = Math.min(Math.floor(offsetOf(part) / 4) * 4, bytes.length - 4);
    view.setUint32(at, number, true);
  }
  for (const [from, to, size] of done.splices) {
    bytes.copyWithin(offsetOf(to), offsetOf(from), offsetOf(from) + size);
  }
  return bytes.subarray(0, Math.floor(done.cut * bytes.length));
}

interface Range {
  readonly start: number;
  readonly size: number;
}

const STRUCTURES: readonly number[] = [
  SHT.SHT_SYMTAB,
  SHT.SHT_DYNSYM,
  SHT.SHT_DYNAMIC,
  SHT.SHT_RELA,
  SHT.SHT_NOTE,
  SHT.SHT_GNU_VERSYM,
  SHT.SHT_GNU_VERNEED,
  SHT.SHT_GNU_VERDEF,
  SHT.SHT_GNU_HASH,
  SHT.SHT_HASH,
];

/** Headers and tables, each as often as the others whatever its size. */
function structuresOf(bytes: Uint8Array): Range[] {
  const elf = parseElf(bytes);
  const headers = new DataView(bytes.buffer, bytes.byteOffset);
  const sections = elf.sections.filter(
    ({ sh_type, name }) => STRUCTURES.includes(sh_type) || /eh_frame|debug/.test(name),
  );
  return [
    { start: 0, size: 64 + elf.segments.length * 56 },
    { start: Number(headers.getBigUint64(40, true)), size: elf.sections.length * 64 },
    ...sections.map(({ sh_offset, sh_size }) => ({
      start: sh_offset,
      size: Math.min(512, sh_size),
    })),
  ].filter(({ size }) => size > 0);
}

/** Runs a parser: a FormatError whose offset is a number is as good as a value. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    expect(error.offset).toBeGreaterThanOrEqual(0);
    return undefined;
  }
}

/** True where the headers passed, so that what they lead to was read too. */
function parseAll(bytes: Uint8Array): boolean {
  const elf = attempt(() => parseElf(bytes));
  if (elf !== undefined) {
    readEverything(elf);
    readEverything({ ...elf, sections: [] });
  }
  const image = attempt(() => parseElfImage(bytes));
  if (image !== undefined) readEverything(image);
  return elf !== undefined;
}

function readEverything(elf: ElfFile): void {
  attempt(() => symbolTable(elf));
  attempt(() => dynamicSymbols(elf));
  attempt(() => parseDynamic(elf));
  attempt(() => buildId(elf));
  attempt(() => debugFileCandidates(elf, { path: "/usr/bin/x" }));
  attempt(() => checkDebugFile(elf, elf));
  for (const section of elf.sections) {
    attempt(() => readSection(elf, section));
    attempt(() => relocationsOf(elf, section));
  }
  readUnwindTables(elf);
}

function readUnwindTables(elf: ElfFile): void {
  attempt(() => functionRanges(elf));
  const tables = attempt(() => unwindTables(elf));
  if (tables === undefined) return;
  const frames = createCallFrames(tables.ehFrame);
  const addresses: number[] = [];
  attempt(() =>
    frames.forEachFde((fde) => {
      addresses.push(fde.start, fde.start + fde.size - 1);
      attempt(() => buildRow(frames, fde, fileAddr(fde.start + fde.size)));
    }),
  );
  const hdr = tables.ehFrameHdr;
  const table = hdr === undefined ? undefined : attempt(() => parseEhFrameHdr(hdr))?.table;
  for (const address of addresses.slice(0, 50)) table?.find(fileAddr(address));

  const [module] = unwindModules("damaged", 0, elf);
  if (module === undefined) return;
  const unwinder = createUnwinder([
    { ...module, start: virtualAddr(0), end: virtualAddr(Number.MAX_SAFE_INTEGER) },
  ]);
  const registers = new Float64Array(17).fill(0x1000);
  for (const address of addresses.slice(0, 5)) {
    registers[16] = address;
    const result = unwinder.unwind(registers, (at) => (at < 0x8000 ? address : Number.NaN));
    expect(result.frames.length).toBeGreaterThan(0);
    expect(result.frames.length).toBeLessThanOrEqual(512);
  }
}

const canRun = hasPrograms("gcc", "objcopy");

describe.skipIf(!canRun)("damaged files", () => {
  const build = (name: string, ...flags: string[]): Uint8Array => {
    const path = compile(folder, { name, source: VARIED_SOURCE, flags });
    return new Uint8Array(readFileSync(path));
  };
  const compressed = (): Uint8Array => {
    build("plain.o", "-c", "-g", "-O2");
    const packed = join(folder, "packed.o");
    runQuietly("objcopy", "--compress-debug-sections=zlib", join(folder, "plain.o"), packed);
    return new Uint8Array(readFileSync(packed));
  };
  const files: readonly (readonly [string, Uint8Array])[] = [
    ["a program", build("program", "-O2", "-pthread", "-s")],
    ["a shared library", build("lib.so", "-O2", "-shared", "-fPIC", "-Wl,--hash-style=both")],
    ["an object", build("object.o", "-c", "-O2", "-ffunction-sections", "-fPIC")],
    ["an object with compressed sections", compressed()],
    ["ls", new Uint8Array(readFileSync("/bin/ls"))],
  ];

  test.each(files)("%s: every parser gives a value or a FormatError", (_, original) => {
    const targets = structuresOf(original);
    expect(parseAll(original)).toBe(true);
    let [all, passed] = [0, 0];
    fc.assert(
      fc.property(damage, (done) => {
        all++;
        if (parseAll(apply(original, targets, done))) passed++;
      }),
      { numRuns: 500, interruptAfterTimeLimit: 3000, markInterruptAsFailure: false },
    );
    expect(passed / all).toBeGreaterThan(0.2); // else little was read behind the headers
  });

  test("no single file takes long, whatever its numbers say", () => {
    const [, original] = files[1] ?? expect.fail("no file");
    const targets = structuresOf(original);
    let longest = 0;
    fc.assert(
      fc.property(damage, (done) => {
        const start = performance.now();
        parseAll(apply(original, targets, { ...done, cut: 1 }));
        longest = Math.max(longest, performance.now() - start);
      }),
      { numRuns: 200, interruptAfterTimeLimit: 3000, markInterruptAsFailure: false },
    );
    expect(longest).toBeLessThan(2000);
  });

  test("every truncation of a small object is refused or read", () => {
    const [, original] = files[2] ?? expect.fail("no file");
    const step = Math.ceil(original.length / 500);
    for (let size = 0; size < original.length; size += step) parseAll(original.subarray(0, size));
    for (let size = 0; size < 200; size++) parseAll(original.subarray(0, size));
  });
});

describe("random bytes", () => {
  test("as expressions", () => {
    const registers = new Float64Array(17).fill(64);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const operations = attempt(() => parseExpression(bytes));
        if (operations === undefined) return;
        const value = evaluate(operations, registers, (address) => address / 2, 8);
        expect(typeof value).toBe("number");
      }),
      { numRuns: 5000 },
    );
  });

  test("as call frames, with and without a search table", () => {
    const section = (bytes: Uint8Array) => ({ bytes, address: fileAddr(0x1000) });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 64 }), (a, b) => {
        attempt(() => createCallFrames(section(a)).forEachFde(() => {}));
        attempt(() => parseEhFrameHdr(section(b)).table?.find(fileAddr(0x2000)));
      }),
      { numRuns: 5000 },
    );
  });
});
