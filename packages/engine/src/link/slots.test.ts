import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isRefusal } from "../refusals.ts";
import { hasTools } from "../tools-fixture.ts";
import { PAGE_SIZE } from "./layout.ts";
import { BASE, FAR, link, NEAR, openObjectFolder } from "./link-fixture.ts";
import type { LinkedImage } from "./relocate.ts";

const { compile, newPath } = openObjectFolder();
const canLink = hasTools(["gcc", "objdump", "readelf"], "nothing of the linker is tested");

function linked(...[bytes, known, replaced]: Parameters<typeof link>): LinkedImage {
  const image = link(bytes, known, replaced);
  if (isRefusal(image)) throw new Error(`${image.refused}: ${image.detail}`);
  return image;
}

/** The instructions of the code, one a line: `55550000002a jmp *0xfd0(%rip) # 0x555500001000`. */
function disassemble(image: LinkedImage): string {
  const code = image.segments.find(({ protection }) => protection === "r-x");
  if (!code) throw new Error("no code");
  const path = `${newPath()}.bin`;
  writeFileSync(path, code.bytes);
  const adjust = `--adjust-vma=0x${(image.base + code.offset).toString(16)}`;
  const args = ["-D", "-b", "binary", "-m", "i386:x86-64", adjust, "--no-show-raw-insn", path];
  return execFileSync("objdump", args, { encoding: "utf8" })
    .replace(/^ +([0-9a-f]+):\s+/gm, "$1 ")
    .replace(/ +/g, " ");
}

function wordAt(image: LinkedImage, address: number): number {
  for (const { offset, bytes } of image.segments) {
    const at = address - image.base - offset;
    if (at >= 0 && at < bytes.length) return Number(Buffer.from(bytes).readBigInt64LE(at));
  }
  throw new Error(`${address.toString(16)} is outside of the image`);
}

/** The GOT slot that the only instruction like this refers to. */
function slotOf(image: LinkedImage, instruction: RegExp): number {
  const found = [
    ...disassemble(image).matchAll(new RegExp(`${instruction.source}.*# 0x(\\w+)`, "g")),
  ];
  expect(found).toHaveLength(1);
  return Number.parseInt(found[0]?.[1] ?? "", 16);
}

describe.runIf(canLink)("calls", () => {
  const source = "int f(int); int g(int x) { return f(x) + 1; }";

  test("go straight to a function within reach", () => {
    expect(disassemble(linked(compile(source), { f: NEAR }))).toMatch(/call 0x555510000000/);
  });

  test("go through a stub to a function out of reach", () => {
    const image = linked(compile(source), { f: FAR });
    const code = disassemble(image);
    const stub = /call 0x(\w+)/.exec(code)?.[1];
    expect(code).toMatch(new RegExp(`^${stub} jmp +\\*0x`, "m"));
    expect(wordAt(image, slotOf(image, /jmp +\*/))).toBe(FAR);
  });

  test.each([
    ["call", "asm: .text\n f: call far\n .reloc .-4, R_X86_64_NONE\n"],
    ["jmp", "asm: .text\n f: .byte 0xe9\n .long far - . - 4\n"],
    ["jne", "asm: .text\n f: .byte 0x0f, 0x85\n .long far - . - 4\n"],
  ])("of the old kind, R_X86_64_PC32 in a %s, have stubs too", (name, text) => {
    const image = linked(compile(text), { far: FAR });
    expect(disassemble(image)).toMatch(new RegExp(`^555500000000 ${name} 0x555500000010`, "m"));
  });

  test("with -fno-plt read the GOT", () => {
    const image = linked(compile(source, ["-O2", "-fPIC", "-fno-plt"]), { f: FAR });
    expect(wordAt(image, slotOf(image, /call +\*/))).toBe(FAR);
  });

  test("stubs can be unwound", () => {
    const image = linked(compile(source), { f: FAR });
    const path = newPath();
    writeFileSync(`${path}.bin`, image.ehFrameBytes);
    const at = image.ehFrame?.address ?? 0;
    execFileSync("objcopy", [
      ...["-I", "binary", "-O", "elf64-x86-64", "-B", "i386:x86-64"],
      ...["--rename-section", ".data=.eh_frame,alloc,load,readonly,data,contents"],
      ...["--change-section-address", `.data=0x${at.toString(16)}`, `${path}.bin`, `${path}.o`],
    ]);
    const frames = execFileSync("readelf", ["--debug-dump=frames-interp", `${path}.o`], {
      encoding: "utf8",
    });
    const stub = /call 0x(\w+)/.exec(disassemble(image))?.[1] ?? "none";
    const g = (image.symbols.get("g") ?? 0).toString(16);
    // readelf shows where each FDE begins; rows hold CFA and the column of the return address.
    expect(frames).toMatch(new RegExp(`FDE .*pc=0*${stub}\\.\\.0*\\w+\n`));
    expect(frames).toMatch(new RegExp(`FDE .*pc=0*${g}\\.\\.`));
    expect(frames).toMatch(/rsp\+8 +c-8/);
    expect(frames).toContain("ZERO terminator");
    expect(frames.match(/ CIE /g)).toHaveLength(2);
  });
});

describe.runIf(canLink)("the GOT", () => {
  const tls = (threadPointerOffset?: number, moduleId?: number) => ({
    v: {
      kind: "tls" as const,
      offset: 24,
      ...(threadPointerOffset !== undefined && { threadPointerOffset }),
      ...(moduleId !== undefined && { moduleId }),
    },
    __tls_get_addr: FAR,
  });
  const source = "extern __thread int v; int *f(void) { return &v; } int g(void) { return v; }";

  test("holds addresses of data out of reach", () => {
    const image = linked(compile("extern int v; int *f(void) { return &v; }", ["-O2", "-fPIC"]), {
      v: FAR,
    });
    expect(wordAt(image, slotOf(image, /mov 0x/))).toBe(FAR);
  });

  test("holds offsets from the thread pointer", () => {
    const image = linked(compile(source.split(" int g")[0] ?? "", ["-O2", "-fPIE"]), tls(-200));
    expect(wordAt(image, slotOf(image, /(?:add|mov) 0x/))).toBe(-200);
  });

  test("holds module id and offset for the Global Dynamic model", () => {
    const image = linked(compile(source.split(" int g")[0] ?? "", ["-O2", "-fPIC"]), tls(-200, 5));
    const slot = slotOf(image, /lea 0x/);
    expect([wordAt(image, slot), wordAt(image, slot + 8)]).toEqual([5, 24]);
  });

  test("holds the module's start for the Local Dynamic model", () => {
    const text = `asm: .text
      leaq v@tlsld(%rip), %rdi
      call __tls_get_addr@PLT
      leaq v@dtpoff(%rax), %rax
      leaq v@dtpoff+4(%rax), %rdx\n`;
    const image = linked(compile(text), tls(undefined, 7));
    const slot = slotOf(image, /lea 0x\w+\(%rip/);
    expect([wordAt(image, slot), wordAt(image, slot + 8)]).toEqual([7, 0]);
    expect(disassemble(image)).toMatch(/lea +0x18\(%rax\),%rax\n.*lea +0x1c\(%rax\),%rdx/);
  });

  test("has its own address under _GLOBAL_OFFSET_TABLE_", () => {
    const text = `asm: .text
      leaq _GLOBAL_OFFSET_TABLE_(%rip), %rbx
      movabsq $near@GOTOFF, %rax
      movabsq $far@GOT, %rcx\n`;
    const image = linked(compile(text), { near: NEAR, far: FAR });
    const code = disassemble(image);
    const got = Number.parseInt(/# 0x(\w+)/.exec(code)?.[1] ?? "", 16);
    const [, near, far] = /movabs \$0x(\w+),%rax\n.*movabs \$0x(\w+),%rcx/.exec(code) ?? [];
    expect(got + Number.parseInt(near ?? "", 16)).toBe(NEAR);
    expect(wordAt(image, got + Number.parseInt(far ?? "", 16))).toBe(FAR);
  });
});

describe.runIf(canLink)("a replaced function", () => {
  const OLD = NEAR + 0x40;
  const source = `
    int f(int); static int s(int) __attribute__((noinline)); extern int ext(int);
    __attribute__((noinline)) int f(int x) { return ext(x) + 1; }
    static int s(int x) { return ext(x) * 5; }
    int calls(int x) { return f(x) + s(x) + 3; }
    void *take_f(void) { return f; }
    void *take_s(void) { return s; }
    int (*table[])(int) = { f, s };
    const char *jump(int i) { switch (i) { case 0: return "a" + ext(1); case 1: return "b";
      case 2: ext(9); return "c"; case 3: return "d" + ext(2); case 4: ext(3); return "e"; }
      return 0; }`;
  const known = { ext: FAR };

  test.each([
    [["-O2", "-fPIE", "-ffunction-sections"]],
    [["-O2", "-fPIC", "-ffunction-sections"]],
    [["-O2", "-fPIC", "-fvisibility=hidden", "-ffunction-sections"]],
    [["-O2", "-fPIE", "-fcf-protection", "-ffunction-sections", "-fno-jump-tables"]],
  ])("is called in its new code and taken by its old entry: %j", (flags) => {
    const image = linked(compile(source, flags), known, { f: OLD, s: OLD + 16 });
    const code = disassemble(image);
    const address = (name: string) => (image.symbols.get(name) ?? 0).toString(16);
    expect(code).toContain(`call 0x${address("f")}`);
    expect(code).toContain(`call 0x${address("s")}`);
    const taken = (name: string): number => {
      const start = code.indexOf(`\n${address(name)} `);
      const match = /\b(lea|mov) .*# 0x(\w+)/.exec(code.slice(start));
      const place = Number.parseInt(match?.[2] ?? "", 16);
      return match?.[1] === "lea" ? place : wordAt(image, place);
    };
    expect(taken("take_f")).toBe(OLD);
    expect(taken("take_s")).toBe(OLD + 16);
    const data = image.segments.find(({ protection }) => protection === "rw-");
    const words = [0, 8].map((at) => wordAt(image, image.base + (data?.offset ?? 0) + at));
    expect(words).toEqual([OLD, OLD + 16]);
  });

  test("is what unwind tables and jump tables describe", () => {
    const bytes = compile(source, ["-O2", "-fPIE", "-ffunction-sections"]);
    const plain = linked(bytes, known);
    const replaced = linked(bytes, known, { f: OLD, s: OLD + 16, jump: OLD + 32 });
    expect(replaced.ehFrameBytes).toEqual(plain.ehFrameBytes);
    const [before, after] = [plain, replaced].map(({ segments }) =>
      segments.find(({ protection }) => protection === "r--"),
    );
    expect(after?.bytes).toEqual(before?.bytes);
  });

  test("must be in the object", () => {
    expect(link(compile(source), known, { g: OLD })).toMatchObject({ refused: "bad-hotpatch" });
  });
});

describe.runIf(canLink)("weak, COMMON and absolute symbols", () => {
  test("a weak symbol that nobody defines is zero", () => {
    const source = "extern int w(void) __attribute__((weak)); int f(void) { return w ? w() : 3; }";
    const image = linked(compile(source, ["-O2", "-fPIC"]));
    expect(wordAt(image, slotOf(image, /(?:cmpq|mov) .*\(%rip\)/))).toBe(0);
  });

  test("COMMON symbols get zeroed writable memory of their alignment", () => {
    const source =
      "int a[3]; char b[7] __attribute__((aligned(256))); void *f(void){return b;} int *g(void){return a;}";
    const image = linked(compile(source, ["-O2", "-fPIE", "-fcommon"]));
    const places = [...disassemble(image).matchAll(/(?:lea|mov) .*# 0x(\w+)/g)].map(([, at]) => {
      const place = Number.parseInt(at ?? "", 16);
      return place >= BASE + 2 * PAGE_SIZE ? place : wordAt(image, place);
    });
    expect(places).toHaveLength(2);
    expect((places[0] ?? 1) % 256).toBe(0);
    for (const place of places) expect(wordAt(image, place)).toBe(0);
    expect(image.segments.map(({ protection }) => protection)).toEqual(["r-x", "r--", "rw-"]);
  });

  test("an absolute symbol is its value", () => {
    const text = "asm: .globl there\n there = 0x1234\n .data\n .quad there + 1\n";
    const image = linked(compile(text));
    expect(wordAt(image, BASE)).toBe(0x1235);
  });
});
