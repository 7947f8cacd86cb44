import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError } from "../bytes/format-error.ts";
import { isRefusal } from "../refusals.ts";
import { hasTools } from "../tools-fixture.ts";
import { PAGE_SIZE } from "./layout.ts";
import { BASE, FAR, type Known, link, NEAR, openObjectFolder } from "./link-fixture.ts";

const { compile } = openObjectFolder();
const canLink = hasTools(["gcc"], "nothing of the linker is tested");

describe.runIf(canLink)("refuses", () => {
  const cases: [string, string, string[], Known, object][] = [
    [
      "a data reference out of reach, naming section, symbol and type",
      "extern int v; int f(void) { return v; }",
      ["-O2", "-fPIE"],
      { v: FAR },
      {
        refused: "unsupported-relocation",
        detail: expect.stringMatching(/^\.text\+0x[0-9a-f]+: R_X86_64_PC32 against v does not fit/),
      },
    ],
    [
      "an address beyond an unsigned field",
      "asm: .text\n movl $v, %eax\n",
      [],
      { v: 0x1_0000_0000 },
      { refused: "unsupported-relocation", detail: expect.stringContaining("R_X86_64_32 ") },
    ],
    [
      "an address beyond a signed field",
      "asm: .text\n movq $v, %rax\n",
      [],
      { v: 0x8000_0000 },
      { refused: "unsupported-relocation", detail: expect.stringContaining("R_X86_64_32S") },
    ],
    [
      "a value beyond 8 bits",
      "asm: .data\n .byte v\n",
      [],
      { v: 256 },
      { refused: "unsupported-relocation", detail: expect.stringContaining("R_X86_64_8 ") },
    ],
    [
      "a distance beyond 16 bits",
      "asm: .data\n .2byte v - .\n",
      [],
      { v: BASE + 0x8000 },
      { refused: "unsupported-relocation", detail: expect.stringContaining("R_X86_64_PC16 ") },
    ],
    [
      "the size of a symbol of the process",
      "asm: .data\n .4byte v@SIZE\n",
      [],
      { v: NEAR },
      { refused: "unsupported-relocation", detail: expect.stringContaining("R_X86_64_SIZE32") },
    ],
    [
      "TLS descriptors, by name",
      "extern __thread int v; int f(void) { return v; }",
      ["-O2", "-fPIC", "-mtls-dialect=gnu2"],
      {},
      {
        refused: "unsupported-relocation",
        detail: expect.stringContaining("R_X86_64_GOTPC32_TLSDESC against v"),
      },
    ],
    [
      "a symbol nobody defines",
      "int v(void); int f(void) { return v(); }",
      ["-O2"],
      {},
      {
        refused: "missing-symbol",
        detail: "v",
      },
    ],
    [
      "a new thread-local variable",
      "__thread int v; int f(void) { return v; }",
      ["-O2"],
      {},
      {
        refused: "unresolved-tls",
      },
    ],
    [
      "a thread-local variable without offset from the thread pointer",
      "extern __thread int v; int f(void) { return v; }",
      ["-O2", "-fPIE"],
      { v: { kind: "tls", offset: 8, moduleId: 3 } },
      { refused: "unresolved-tls" },
    ],
    [
      "a thread-local variable without module id",
      "extern __thread int v; int f(void) { return v; }",
      ["-O2", "-fPIC"],
      { v: { kind: "tls", offset: 8, threadPointerOffset: -8 }, __tls_get_addr: FAR },
      { refused: "unresolved-tls" },
    ],
    [
      "an ordinary variable used as thread-local",
      "extern __thread int v; int f(void) { return v; }",
      ["-O2", "-fPIE"],
      { v: NEAR },
      { refused: "unresolved-tls" },
    ],
    [
      "a thread-local variable used as ordinary",
      "extern int v; int f(void) { return v; }",
      ["-O2", "-fPIE"],
      { v: { kind: "tls", offset: 8, moduleId: 3 } },
      { refused: "unresolved-tls" },
    ],
    [
      "constructors",
      "int v; __attribute__((constructor)) void f(void) { v = 1; }",
      ["-O2"],
      {},
      {
        refused: "bad-hotpatch",
        detail: expect.stringContaining(".init_array"),
      },
    ],
    ["writable code", 'asm: .section .x, "awx"\n nop\n', [], {}, { refused: "bad-hotpatch" }],
    [
      "an indirect function of its own",
      'static int i(void) { return 1; } static void *r(void) { return i; } int f(void) __attribute__((ifunc("r")));',
      ["-O2"],
      {},
      { refused: "bad-hotpatch" },
    ],
    [
      "an alignment above the page",
      "int v __attribute__((aligned(8192))) = 1;",
      ["-O2"],
      {},
      {
        refused: "bad-hotpatch",
      },
    ],
    ["absurd sizes", "char v[1ul << 31];", ["-O2"], {}, { refused: "bad-hotpatch" }],
  ];
  test.each(cases)("%s", (_, source, flags, known, expected) => {
    expect(link(compile(source, flags), known)).toMatchObject(expected);
  });
});

describe.runIf(canLink)("any object", () => {
  const seed = canLink
    ? compile(
        `extern int v, far(int); extern __thread int t; static int c; int common;
         int f(int x) { switch (x) { case 0: return v; case 1: return far(x); case 2: return t;
           case 3: return c++; case 4: return common; case 5: return far(3); } return 0; }
         int (*p)(int) = f; const char *const s[] = { "a", "b" };`,
        ["-O2", "-fPIC", "-fcommon"],
      )
    : new Uint8Array(0);
  const known: Known = { v: FAR, far: FAR, __tls_get_addr: FAR, t: { kind: "tls", offset: 8 } };

  test("gives an image, a refusal or a FormatError", () => {
    const mutation = fc.record({ at: fc.nat(seed.length - 1), value: fc.nat(255) });
    let images = 0;
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        (list, tls) => {
          const bytes = Uint8Array.from(seed);
          for (const { at, value } of list) bytes[at] = value;
          const t = { kind: "tls" as const, offset: 8, ...(tls && { moduleId: 2 }) };
          try {
            const result = link(bytes, { ...known, t }, { f: NEAR });
            if (isRefusal(result)) expect(result.detail).not.toBe("");
            else {
              images++;
              for (const { offset, bytes: segment } of result.segments)
                expect([offset % PAGE_SIZE, segment.length % PAGE_SIZE]).toEqual([0, 0]);
            }
          } catch (error) {
            if (!(error instanceof FormatError)) throw error;
          }
        },
      ),
      { numRuns: 10_000 },
    );
    expect(images).toBeGreaterThan(100);
  });
});
