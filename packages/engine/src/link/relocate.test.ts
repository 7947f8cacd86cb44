import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { type ElfFile, parseElf, sectionBytes } from "../elf/file.ts";
import { relocationName } from "../elf/relocation.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { type Layout, planLayout } from "./layout.ts";
import { type LinkedImage, linkObject, type SymbolResolver } from "./relocate.ts";

const folder = mkdtempSync(join(tmpdir(), "suture-link-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hasTools = (() => {
  try {
    for (const tool of ["gcc", "ld", "objdump", "objcopy"]) execFileSync(tool, ["--version"]);
    return true;
  } catch {
    if (process.env.CI) throw new Error("gcc and binutils are missing");
    console.warn("SKIPPED: gcc and binutils are missing, nothing of the linker is tested");
    return false;
  }
})();

let count = 0;

function compile(source: string, flags: readonly string[], extension = "c"): string {
  const path = join(folder, `${count++}`);
  writeFileSync(`${path}.${extension}`, source);
  execFileSync("gcc", [...flags, "-c", `${path}.${extension}`, "-o", `${path}.o`]);
  return `${path}.o`;
}

const object = (path: string): ElfFile => parseElf(readFileSync(path));

const mustBe = <T>(value: T | Refusal): T => {
  if (isRefusal(value)) throw new Error(`${value.refused}: ${value.detail}`);
  return value as T;
};

const nothing: SymbolResolver = (name) => refuse("missing-symbol", name, "");

const known =
  (addresses: Record<string, number>): SymbolResolver =>
  (name) => {
    const address = addresses[name];
    return address === undefined
      ? nothing(name)
      : { kind: "address", address: virtualAddr(address) };
  };

function link(
  path: string,
  base: number,
  resolve: SymbolResolver,
  replaced?: ReadonlyMap<string, VirtualAddr>,
): { image: LinkedImage | Refusal; layout: Layout } {
  const elf = object(path);
  const layout = mustBe(planLayout(elf));
  return { image: linkObject(elf, layout, virtualAddr(base), resolve, replaced), layout };
}

/** Bytes of the image from an offset from the base. */
function bytesAt(image: LinkedImage, offset: number, size: number): Buffer {
  const segment = image.segments.findLast((candidate) => candidate.offset <= offset);
  if (!segment) throw new Error("outside of the image");
  return Buffer.from(segment.bytes.subarray(offset - segment.offset).subarray(0, size));
}

const CODE = `
  extern int far_function(int); extern int near_function(int); extern int near_data[];
  static int counter; int exported = 7; int zeroes[20]; int common_like;
  static const char *const names[] = { "alpha", "beta", "gamma" };
  static int twice(int x) __attribute__((noinline)); static int twice(int x) { return x * counter; }
  static int (*const table[])(int) = { twice, near_function };
  int (*pointer)(int) = twice;
  const char *name(unsigned i) { return i < 3 ? names[i] : "none of them"; }
  int call(int x) { counter += twice(x); return near_function(x) + far_function(x) + near_data[x]; }
  int indirect(int i, int x) { return table[i & 1](x) + pointer(x); }
  int choose(int x, int y) {
    switch (x) {
      case 0: return twice(y); case 1: return near_function(y) + 3; case 2: return exported;
      case 3: return y * 41; case 4: return zeroes[y]; case 5: return y - 9; case 6: return 1 / y;
      case 7: return near_data[1]; default: return common_like;
    }
  }
  void *addresses(int i) { return i ? (void *)&exported : (void *)zeroes; }
  double real(double x) { return x * 3.25 + 0.125; }
  int tail(int x) { return near_function(x + 1); }
  void goes(int i) { static void *labels[] = { &&one, &&two }; goto *labels[i];
    one: near_data[0] = 1; return; two: near_data[0] = 2; near_function(1); }
`;

/**
 * Links with ld so that each section stands where our layout put it, and compares all bytes. ld
 * gets no say in anything else: no relaxation, no merging of strings (-fno-merge-constants), and
 * .eh_frame under another name, for ld optimises it.
 */
function compareWithLd(path: string, base: number, symbols: Record<string, number>): string[] {
  execFileSync("objcopy", ["--rename-section", ".eh_frame=.frames", path]);
  const { image, layout } = link(path, base, known(symbols));
  const linked = mustBe(image);
  const lines = layout.sections
    .filter(({ section }) => section.sh_size > 0)
    .map(({ section, offset }) => {
      return `.s${section.index} 0x${(base + offset).toString(16)} : { *(${section.name}) }`;
    });
  const commons = [...layout.commons.values()];
  if (commons.length > 0)
    lines.push(`.common 0x${(base + Math.min(...commons)).toString(16)} : { *(COMMON) }`);
  lines.push(`.got.plt 0x${(base + layout.got).toString(16)} : { *(.got.plt) }`);
  lines.push(
    `.got 0x${(base + 2 ** 16).toString(16)} : { *(.got) }`,
    "/DISCARD/ : { *(.note*) *(.comment) }",
  );
  const definitions = Object.entries(symbols).map(([name, at]) => `${name} = ${at};`);
  writeFileSync(`${path}.ld`, `${definitions.join("\n")}\nSECTIONS {\n${lines.join("\n")}\n}\n`);
  execFileSync("ld", ["--no-relax", "-static", "-e0", "-T", `${path}.ld`, path, "-o", `${path}.x`]);
  const oracle = object(`${path}.x`);
  const compared: string[] = [];
  for (const { section, offset } of layout.sections) {
    const theirs = oracle.sections.find(({ name }) => name === `.s${section.index}`);
    if (!theirs) continue;
    expect(theirs.sh_addr).toBe(base + offset);
    const expected = Buffer.from(sectionBytes(oracle, theirs));
    const ours = bytesAt(linked, offset, expected.length);
    // What reads through a GOT differs by the place of the slot; slots.test.ts looks at those.
    for (const { type, r_offset } of layout.sections.find((s) => s.section === section)
      ?.relocations ?? []) {
      compared.push(relocationName(type));
      if (!/GOTPCREL|GOT32|GOT64/.test(relocationName(type))) continue;
      const size = relocationName(type).endsWith("64") ? 8 : 4;
      ours.fill(0, r_offset, r_offset + size);
      expected.fill(0, r_offset, r_offset + size);
    }
    expect(ours.toString("hex"), section.name).toBe(expected.toString("hex"));
  }
  return compared;
}

describe.runIf(hasTools)("what ld gives for the same places", () => {
  const symbols = { near_function: 0x60_0000, far_function: 0x70_0123, near_data: 0x60_8000 };
  const common = ["-fno-merge-constants", "-fno-asynchronous-unwind-tables"];
  const flagSets: [string[], string[]][] = [
    [
      ["-O2", "-fno-pic", "-fno-pie"],
      ["R_X86_64_PC32", "R_X86_64_PLT32", "R_X86_64_32S"],
    ],
    [
      ["-O2", "-fPIC"],
      ["R_X86_64_PC32", "R_X86_64_REX_GOTPCRELX", "R_X86_64_64"],
    ],
    [
      ["-O2", "-fPIE"],
      ["R_X86_64_PC32", "R_X86_64_PLT32"],
    ],
    [["-O2", "-fPIC", "-fno-plt"], ["R_X86_64_GOTPCRELX"]],
    [["-O2", "-fPIC", "-fno-plt", "-Wa,-mrelax-relocations=no"], ["R_X86_64_GOTPCREL"]],
    [["-O2", "-fno-pie", "-mcmodel=small", "-ffunction-sections", "-fdata-sections"], []],
    [["-O2", "-fPIE", "-ffunction-sections", "-fdata-sections", "-fcf-protection"], []],
    [["-Os", "-fPIC", "-ffunction-sections", "-fcommon"], []],
    [["-O0", "-fno-pic", "-fno-pie"], ["R_X86_64_32"]],
    [["-O3", "-g", "-fPIC", "-fvisibility=hidden"], []],
    [["-O2", "-fno-pie", "-mcmodel=large"], ["R_X86_64_64"]],
    [["-O2", "-fPIC", "-mcmodel=medium", "-mlarge-data-threshold=16"], ["R_X86_64_GOTOFF64"]],
    [["-O2", "-fPIE", "-fno-jump-tables", "-fstack-protector-strong", "-fno-builtin"], []],
  ];

  test.each(flagSets)("%j", (flags, expectedTypes) => {
    const path = compile(CODE, [...common, ...flags]);
    const compared = compareWithLd(path, 0x50_0000, symbols);
    expect(new Set(compared)).toEqual(new Set([...compared, ...expectedTypes]));
    expect(compared.length).toBeGreaterThan(10);
  });

  test("unwind tables", () => {
    const path = compile(CODE, ["-O2", "-fPIE", "-ffunction-sections", "-fno-merge-constants"]);
    expect(compareWithLd(path, 0x50_0000, symbols)).toContain("R_X86_64_PC32");
  });

  test("every width of absolute, relative and size relocations", () => {
    const source = `
      .section .data.widths, "aw"
      here: .byte small; .2byte small + 0x100; .4byte near_data; .8byte near_data - 5
      .reloc ., R_X86_64_32S, near_data+1
      .4byte 0
      .byte other - .; .2byte other - . - 4; .4byte near_data - .; .8byte near_data - . + 3
      .reloc ., R_X86_64_SIZE32, sized+3
      .4byte 0
      .reloc ., R_X86_64_SIZE64, sized-1
      .8byte 0
      .section .data.other, "aw"
      other: .byte 1
      .type sized, @object
      .size sized, 24
      sized: .skip 24
`;
    const path = compile(source, [], "s");
    const compared = compareWithLd(path, 0x50_0000, { near_data: 0x60_8000, small: 0x42 });
    for (const width of ["8", "16", "32", "32S", "64", "PC8", "PC16", "PC32", "PC64"])
      expect(compared).toContain(`R_X86_64_${width}`);
    expect(compared).toContain("R_X86_64_SIZE32");
    expect(compared).toContain("R_X86_64_SIZE64");
  });

  test("thread-local variables by their offset from the thread pointer", () => {
    const variables = compile("__thread int first = 1, second = 2; __thread char third[40];", [
      "-O2",
      "-fno-pic",
    ]);
    const source = `extern __thread int first, second; extern __thread char third[];
      int sum(void) { return first + second + third[3]; } char *at(int i) { return third + i; }`;
    const path = compile(source, ["-O2", "-fno-pie", "-ftls-model=local-exec"]);
    execFileSync("ld", [
      "--no-relax",
      "-e0",
      "-Ttext=0x500000",
      path,
      variables,
      "-o",
      `${path}.x`,
    ]);
    const oracle = object(`${path}.x`);
    const tls = oracle.segments.find(({ p_type }) => p_type === 7);
    const size = Math.ceil((tls?.p_memsz ?? 0) / (tls?.p_align ?? 1)) * (tls?.p_align ?? 1);
    const nm = execFileSync("nm", [`${path}.x`], { encoding: "utf8" });
    const offsets = new Map(
      [...nm.matchAll(/^(\w+) [DBdb] (\w+)$/gm)].map(([, at, name]) => [
        name,
        Number.parseInt(at as string, 16),
      ]),
    );
    const { image, layout } = link(path, 0x50_0000, (name) => {
      const offset = offsets.get(name) ?? Number.NaN;
      return { kind: "tls", offset, threadPointerOffset: offset - size };
    });
    const text = oracle.sections.find(({ name }) => name === ".text");
    const expected = text ? Buffer.from(sectionBytes(oracle, text)) : Buffer.alloc(0);
    const placed = layout.sections.find(({ section }) => section.name === ".text");
    expect(placed?.relocations.map(({ type }) => relocationName(type))).toContain(
      "R_X86_64_TPOFF32",
    );
    const ours = bytesAt(mustBe(image), placed?.offset ?? -1, placed?.section.sh_size ?? 0);
    expect(ours.toString("hex")).toBe(expected.subarray(0, ours.length).toString("hex"));
  });
});
