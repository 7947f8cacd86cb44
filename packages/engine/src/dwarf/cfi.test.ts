import { readFileSync, rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { fileAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { compile, createFolder, hasPrograms, output, VARIED_SOURCE } from "../elf/elf-fixtures.ts";
import { type ElfFile, parseElf, sectionByName } from "../elf/file.ts";
import { createCallFrames } from "./cfi.ts";
import { parseEhFrameHdr } from "./eh-frame-hdr.ts";
import { buildRow, type FrameRow, type RegisterRule } from "./frame-row.ts";
import { functionRanges, unwindTables } from "./unwind-tables.ts";

const folder = createFolder("cfi");
afterAll(() => rmSync(folder, { recursive: true }));

/** Every rule that an assembler can be asked for, and gcc seldom or never writes. */
const RARE_RULES = `
	.text
	.globl main
	.type main, @function
main:
	.cfi_startproc
	nop
	.cfi_def_cfa rbp, 24
	.cfi_register rbx, r11
	nop
	.cfi_undefined r12
	.cfi_val_offset r13, -32
	.cfi_remember_state
	nop
	.cfi_def_cfa_register rsp
	.cfi_adjust_cfa_offset 8
	.cfi_offset r14, 16
	.cfi_rel_offset r15, 8
	nop
	.cfi_restore_state
	.cfi_same_value r12
	nop
	.cfi_escape 0x0f, 3, 0x77, 8, 0x06
	.cfi_escape 0x10, 3, 2, 0x77, 16
	.cfi_escape 0x16, 6, 2, 0x77, 24
	.cfi_escape 0x2e, 16
	.cfi_escape 0x2f, 14, 5
	.cfi_escape 0x12, 7, 0x7e
	.cfi_restore r13
	.skip 300
	.cfi_def_cfa_offset 64
	.skip 70000
	.cfi_def_cfa_offset 72
	xorl %eax, %eax
	ret
	.cfi_endproc
	.size main, .-main
	.section .note.GNU-stack,"",@progbits
`;

describe.skipIf(!hasPrograms("gcc", "readelf"))("against readelf", () => {
  const files = [
    "/bin/ls",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
    compile(folder, { name: "pie", source: VARIED_SOURCE, flags: ["-O2", "-pthread"] }),
    compile(folder, { name: "static", source: VARIED_SOURCE, flags: ["-O2", "-static"] }),
    compile(folder, {
      name: "far",
      source: VARIED_SOURCE,
      flags: ["-mcmodel=large", "-fno-pic", "-no-pie", "-O2", "-pthread"],
    }),
    compile(folder, { name: "rare", source: RARE_RULES, flags: [], extension: "s" }),
  ];

  test.each(files)("function ranges of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    const text = output("readelf", "--debug-dump=frames", "-W", path);
    const expected = [...text.matchAll(/ FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)/g)]
      .map((match) => [Number.parseInt(match[1] ?? "", 16), Number.parseInt(match[2] ?? "", 16)])
      .map(([start = 0, end = 0]) => ({ start, size: end - start }))
      .filter(({ size }) => size > 0)
      .sort((a, b) => a.start - b.start || a.size - b.size);
    expect(expected.length).toBeGreaterThan(3);
    expect(functionRanges(elf)).toEqual(expected);
    // Debian's static programs have no .eh_frame_hdr: then only the section leads to .eh_frame.
    const isStatic = sectionByName(elf, ".eh_frame_hdr") === undefined;
    expect(functionRanges({ ...elf, sections: [] })).toEqual(isStatic ? [] : expected);
  });

  test.each(files)("every row of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    const shown = showRows(elf);
    let count = 0;
    for (const [address, expected] of readRows(path)) {
      count++;
      expect(shown(address), `row at 0x${address.toString(16)}`).toBe(expected);
    }
    expect(count).toBeGreaterThan(5);
  });

  const searchable = files.filter((path) => !path.endsWith("static"));
  test.each(searchable)(
    "the search table of %s finds each function from its first byte to its last",
    (path) => {
      const elf = parseElf(readFileSync(path));
      const tables = unwindTables(elf) ?? expect.fail("no tables");
      const table = parseEhFrameHdr(tables.ehFrameHdr ?? expect.fail("no .eh_frame_hdr")).table;
      const frames = createCallFrames(tables.ehFrame);
      for (const { start, size } of functionRanges(elf)) {
        for (const address of [start, start + size - 1]) {
          const found = table?.find(fileAddr(address)) ?? expect.fail("not found");
          const fde = frames.fdeAt(found - tables.ehFrame.address);
          expect({ start: fde.start, size: fde.size }).toEqual({ start, size });
        }
      }
    },
  );
});

describe("damaged tables", () => {
  const tables = unwindTables(parseElf(readFileSync("/bin/ls"))) ?? expect.fail("no tables");

  test("a search table that is cut short is not used, and the header still is", () => {
    const hdr = tables.ehFrameHdr ?? expect.fail("no .eh_frame_hdr");
    const cut = { ...hdr, bytes: hdr.bytes.subarray(0, hdr.bytes.length - 1) };
    expect(parseEhFrameHdr(cut)).toEqual({ ehFrame: tables.ehFrame.address });
    expect(() => parseEhFrameHdr({ ...hdr, bytes: hdr.bytes.subarray(0, 6) })).toThrow(FormatError);
  });

  test.each([
    ["a 64-bit entry", [0xff, 0xff, 0xff, 0xff], "a 64-bit entry"],
    ["an entry beyond the end", [0, 0, 0, 0x10], "an end at"],
    ["an entry without room for its head", [2, 0, 0, 0], "at least 4"],
  ])("%s is refused", (_, length, message) => {
    const bytes = new Uint8Array(tables.ehFrame.bytes);
    bytes.set(length);
    const frames = createCallFrames({ ...tables.ehFrame, bytes });
    expect(() => frames.forEachFde(() => {})).toThrow(message);
  });

  test("a CIE is not taken for an FDE, nor an FDE for a CIE", () => {
    expect(() => createCallFrames(tables.ehFrame).fdeAt(0)).toThrow("a frame description entry");
    const bytes = new Uint8Array(tables.ehFrame.bytes);
    const offsets: number[] = [];
    createCallFrames(tables.ehFrame).forEachFde(({ offset }) => offsets.push(offset));
    const [first = 0, second = 0] = offsets;
    new DataView(bytes.buffer).setUint32(second + 4, second + 4 - first, true);
    const frames = createCallFrames({ ...tables.ehFrame, bytes });
    expect(() => frames.fdeAt(second)).toThrow("a common information entry");
  });
});

const COLUMNS = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"];
const columnOf = (name: string): number =>
  name === "ra" ? 16 : COLUMNS.includes(name) ? COLUMNS.indexOf(name) : Number(name.slice(1));

/** All rows as `readelf --debug-dump=frames-interp` prints them; "u" and no column are the same. */
function* readRows(path: string): Generator<[number, string]> {
  let names: readonly string[] = [];
  let end = 0;
  for (const line of output("readelf", "--debug-dump=frames-interp", "-W", path).split("\n")) {
    // A register rule is shown as "r9 (r9)".
    const [first = "", ...words] = line
      .replace(/ \(\w+\)/g, "")
      .trim()
      .split(/ +/);
    // The rows of a CIE are those of its FDEs too. The PLT's program goes on behind a short PLT.
    const entry = / (?:CIE "|FDE .*pc=\w+\.\.(\w+))/.exec(line);
    if (entry) end = Number.parseInt(entry[1] ?? "0", 16);
    else if (first === "LOC") names = words.slice(1);
    else if (/^[0-9a-f]{16}$/.test(first) && Number.parseInt(first, 16) < end) {
      const rules = names
        .map((name, index): [number, string] => [columnOf(name), words[index + 1] ?? ""])
        .filter(([column, rule]) => column <= 16 && rule !== "u")
        .sort(([a], [b]) => a - b);
      yield [Number.parseInt(first, 16), [words[0], ...rules.flat()].join(" ")];
    }
  }
}

/** The row for an address in the same form. */
function showRows(elf: ElfFile): (address: number) => string {
  const tables = unwindTables(elf) ?? expect.fail("no tables");
  const frames = createCallFrames(tables.ehFrame);
  const fdes: ReturnType<typeof frames.fdeAt>[] = [];
  frames.forEachFde((fde) => fdes.push(fde));
  const byStart = fdes.sort((a, b) => a.start - b.start);
  return (address) => {
    const fde = byStart.findLast(({ start }) => start <= address) ?? expect.fail("no FDE");
    return show(buildRow(frames, fde, fileAddr(address)));
  };
}

function show({ cfa, registers }: FrameRow): string {
  const rules = [...registers]
    .map(([register, rule]): [number, string] => [register, showRule(rule)])
    .filter(([, rule]) => rule !== "u")
    .sort(([a], [b]) => a - b);
  const name = (register: number): string => COLUMNS[register] ?? `r${register}`;
  const base = cfa.kind === "expression" ? "exp" : `${name(cfa.register)}${signed(cfa.offset)}`;
  return [base, ...rules.flat()].join(" ");
}

const signed = (offset: number): string => (offset < 0 ? `${offset}` : `+${offset}`);

function showRule(rule: RegisterRule): string {
  switch (rule.kind) {
    case "undefined":
      return "u";
    case "same":
      return "s";
    case "offset":
      return `c${signed(rule.offset)}`;
    case "val-offset":
      return `v${signed(rule.offset)}`;
    case "register":
      return `r${rule.register}`;
    case "expression":
      return "exp";
    case "val-expression":
      return "vexp";
  }
}
