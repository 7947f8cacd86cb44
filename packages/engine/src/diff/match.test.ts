import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { SHF, STT } from "../elf/constants.ts";
import { addressBytes, type ElfFile, hasFlag, parseElf, sectionByName } from "../elf/file.ts";
import { type ElfSymbol, symbolTable } from "../elf/symbol.ts";
import { createMatcher, type FunctionMatch, isMismatch, type MatchFact } from "./match.ts";
import { hotName } from "./names.ts";

const scratch = mkdtempSync(join(tmpdir(), "suture-match-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function gcc(...args: string[]): void {
  execFileSync("gcc", ["-w", ...args], { cwd: scratch, stdio: ["ignore", "ignore", "inherit"] });
}

const hasCompiler = ((): boolean => {
  try {
    gcc("--version");
    return true;
  } catch (error) {
    if (process.env.CI) throw new Error("the tests need gcc", { cause: error });
    console.warn("SKIPPED: the tests need gcc");
    return false;
  }
})();

const read = (name: string): ElfFile => parseElf(readFileSync(join(scratch, name)));

/** Compiles once with function sections, and once without and links: pre and run. */
function build(source: string, request: { compile: string[]; link: string[] }): [ElfFile, ElfFile] {
  writeFileSync(join(scratch, "unit.c"), source);
  const sections = ["-ffunction-sections", "-fdata-sections"];
  gcc("-O2", ...request.compile, ...sections, "-c", "unit.c", "-o", "pre.o");
  gcc("-O2", ...request.compile, "-c", "unit.c", "-o", "run.o");
  gcc(...request.link, "run.o", "-o", "module");
  return [read("pre.o"), read("module")];
}

const isFunction = ({ type, st_shndx, name }: ElfSymbol): boolean =>
  type === STT.STT_FUNC && st_shndx !== 0 && hotName(name) === undefined;

interface Matched {
  readonly name: string;
  readonly match: FunctionMatch;
}

/** Matches every function of the object at the address that the module's symbol table gives. */
function matchAll(object: ElfFile, module: ElfFile): Matched[] {
  const matcher = createMatcher(object);
  const image = (address: FileAddr, size: number): Uint8Array | undefined =>
    addressBytes(module, address, size);
  const linked = new Map(symbolTable(module).map((symbol) => [symbol.name, symbol]));
  return symbolTable(object)
    .filter(isFunction)
    .map(({ name, index, st_size }) => {
      const symbol = linked.get(name);
      expect(symbol, `${name} is in the module`).toBeDefined();
      const address = fileAddr(symbol?.st_value ?? 0);
      const bytes = image(address, 2 * st_size + 64) ?? image(address, symbol?.st_size ?? 0);
      const match = matcher.match({
        symbolIndex: index,
        linked: bytes ?? new Uint8Array(0),
        address,
        read: image,
      });
      if (isMismatch(match)) throw new Error(`${name}: ${match.mismatch} at ${match.objectOffset}`);
      expect(match.size, `size of ${name}`).toBe(symbol?.st_size);
      for (const part of match.parts) {
        const cold = linked.get(symbolTable(object)[part.symbolIndex]?.name ?? "");
        expect(part).toMatchObject({ address: cold?.st_value, size: cold?.st_size });
      }
      return { name, match };
    });
}

/** The object's name for a fact and the offset in it: section symbols give way to variables. */
function nameFact(object: ElfFile, fact: MatchFact): [string, number] | undefined {
  const symbols = symbolTable(object);
  const symbol = symbols[fact.symbolIndex];
  if (symbol === undefined || symbol.type !== STT.STT_SECTION) {
    return symbol?.name.startsWith(".L") ? undefined : [symbol?.name ?? "", fact.addend];
  }
  const named = symbols.find(
    ({ st_shndx, type }) =>
      st_shndx === symbol.st_shndx &&
      (type === STT.STT_OBJECT || type === STT.STT_FUNC || type === STT.STT_TLS),
  );
  return named === undefined ? undefined : [named.name, fact.addend - named.st_value];
}

/** Compares facts about functions and variables with the module's symbol table; gives how many. */
function checkFacts(object: ElfFile, module: ElfFile, matched: readonly Matched[]): number {
  const linked = new Map(symbolTable(module).map((symbol) => [symbol.name, symbol]));
  const tls = module.segments.find(({ p_type }) => p_type === 7);
  const tlsSize = tls === undefined ? 0 : Math.ceil(tls.p_memsz / tls.p_align) * tls.p_align;
  const plt = [".plt", ".plt.got", ".plt.sec"].map((name) => sectionByName(module, name));
  const inPlt = (value: number): boolean =>
    plt.some((it) => it && value >= it.sh_addr && value < it.sh_addr + it.sh_size);
  let count = 0;
  for (const fact of matched.flatMap(({ match }) => match.facts)) {
    const [name, addend] = nameFact(object, fact) ?? [];
    const symbol = linked.get(name ?? "");
    if (name === undefined || addend === undefined || symbol === undefined) continue;
    if (symbol.st_shndx === 0) {
      if (fact.kind === "call") expect(inPlt(fact.value), `${name} is in the PLT`).toBe(true);
      continue;
    }
    const offset = symbol.st_value + addend;
    if (fact.kind === "address") expect([name, fact.value]).toEqual([name, offset]);
    if (fact.kind === "tls") expect([name, fact.value]).toEqual([name, offset - tlsSize]);
    if (fact.kind === "tls-module-offset") expect([name, fact.value]).toEqual([name, offset]);
    if (fact.kind === "call" && addend === 0 && !inPlt(fact.value)) {
      expect([name, fact.value]).toEqual([name, offset]);
    }
    count++;
  }
  return count;
}

const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
int shared = 4; static int hidden = 5; static int table[16];
__thread int depth = 3; static __thread long level[4]; extern __thread int outer;
__attribute__((weak)) __thread int outer;
static const char *names[] = {"zero", "one", "two", "three"};
__attribute__((noinline)) static int helper(int x) { static int calls; return x * 2 + calls++; }
int early(int x) { return x > 100 ? helper(x) : x; }
int enter(int x) { depth += x; level[x & 3] += depth; return depth + outer; }
static int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
void sort(int n) { qsort(table, n, sizeof *table, order); table[n - 1] += shared + hidden++; }
int route(int x, double d) {
  if (x < 0) { puts("negative"); abort(); }
  switch (x) {
  case 0: puts("case zero"); return helper(shared);
  case 1: return printf("%f\\n", d * 2.5);
  case 2: puts(names[hidden & 3]); return 22;
  case 3: return enter(3);
  case 4: puts("case four"); return getenv("HOME") == NULL;
  case 5: return puts(names[1]);
  case 6: exit(7);
  }
  return names[x & 3][0];
}
int loop(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) for (int j = i; j < n; j++) sum += table[(i ^ j) & 15] * j;
  return sum > 5 ? early(sum) : route(sum, sum);
}
int (*pick(int x))(int) { return x ? early : helper; }
void rename_all(void) { names[0] = "nil"; }
int main(int argc, char **argv) { sort(5); return route(argc, 1.0) + loop(argc) + pick(argc)(2); }
`;

const MODES: { name: string; compile: string[]; link: string[] }[] = [
  { name: "a position-independent program", compile: ["-fPIE"], link: ["-pie"] },
  { name: "a program at fixed addresses", compile: ["-fno-pie"], link: ["-no-pie"] },
  { name: "library code in a program", compile: ["-fPIC"], link: ["-pie"] },
  { name: "library code in a static program", compile: ["-fPIC"], link: ["-static"] },
  { name: "a shared library", compile: ["-fPIC"], link: ["-shared"] },
  { name: "a library without PLT", compile: ["-fPIC", "-fno-plt"], link: ["-shared"] },
  { name: "a program without PLT", compile: ["-fPIE", "-fno-plt"], link: ["-pie"] },
  {
    name: "no PLT at fixed addresses",
    compile: ["-fPIC", "-fno-plt"],
    link: ["-no-pie"],
  },
  {
    name: "a hardened program",
    compile: ["-fPIE", "-fstack-protector-strong", "-fcf-protection", "-D_FORTIFY_SOURCE=2"],
    link: ["-pie", "-Wl,-z,now"],
  },
];

describe.skipIf(!hasCompiler)("matchFunction", () => {
  for (const { name, ...mode } of MODES) {
    test(`finds all functions and symbols of ${name}`, () => {
      const [object, module] = build(PROGRAM, mode);
      const matched = matchAll(object, module);
      expect(matched.length).toBeGreaterThan(9);
      expect(checkFacts(object, module, matched)).toBeGreaterThan(20);
    });
  }

  test("finds every function of the diff cases in a shared library", () => {
    const cases = join(import.meta.dirname, "../../../../test/diff-cases");
    let count = 0;
    for (const name of readdirSync(cases)) {
      const source = readFileSync(join(cases, name, "before.c"), "utf8");
      if (/lto|assembly|section-code/.test(name)) continue;
      const [object, module] = build(source, { compile: ["-fPIC"], link: ["-shared"] });
      const matched = matchAll(object, module);
      checkFacts(object, module, matched);
      count += matched.length;
    }
    expect(count).toBeGreaterThan(60);
  });

  describe("refuses", () => {
    /** Matches `work` of one source in the module of another. */
    function matchOther(ours: string, theirs: string): string | undefined {
      const mode = { compile: ["-fPIE"], link: ["-shared"] };
      const [object] = build(ours, { compile: ["-fPIC"], link: ["-shared"] });
      const [, module] = build(theirs, { ...mode, compile: ["-fPIC"] });
      const symbol = symbolTable(module).find(({ name }) => name === "work");
      const address = fileAddr(symbol?.st_value ?? 0);
      const result = createMatcher(object).match({
        symbolIndex: symbolTable(object).find(({ name }) => name === "work")?.index ?? 0,
        linked: addressBytes(module, address, symbol?.st_size ?? 0) ?? new Uint8Array(0),
        address,
        read: (at, size) => addressBytes(module, at, size),
      });
      return isMismatch(result) ? result.mismatch : undefined;
    }

    const base =
      "int puts(const char *), getchar(void);\nstatic volatile int shared, other;\nvoid keep(void) { shared++; other++; }\n";
    const cases: [string, string, string, RegExp | undefined][] = [
      ["nothing when the code is equal", "return x * 3;", "return x * 3;", undefined],
      ["another constant in the code", "return x * 300;", "return x * 301;", /another instr/],
      ["another operation", "return x * 3;", "return x * 5;", /another instr/],
      ["another string", 'return puts("one");', 'return puts("two");', /another constant/],
      ["code that is shorter", "return x + shared;", "return x;", /another instr|ends before/],
      [
        "one symbol at two addresses",
        "shared = x; getchar(); return shared;",
        "shared = x; getchar(); return other;",
        /shared would be at/,
      ],
      [
        "a branch to another place",
        "if (x == 1) shared = 1; else if (x == 2) shared = 2; else shared = 3; return getchar();",
        "if (x == 2) shared = 1; else if (x == 1) shared = 2; else shared = 3; return getchar();",
        /another/,
      ],
      [
        "other entries in a jump table",
        'switch (x) { case 0: return puts("a"); case 1: return getchar(); case 2: return puts("b"); case 3: return puts("c"); case 4: return getchar() + 1; case 5: return getchar() + 2; } return 0;',
        'switch (x) { case 0: return puts("a"); case 2: return getchar(); case 1: return puts("b"); case 3: return puts("c"); case 4: return getchar() + 1; case 5: return getchar() + 2; } return 0;',
        /jump table|another/,
      ],
    ];
    for (const [name, ours, theirs, mismatch] of cases) {
      test(name, () => {
        const wrap = (body: string): string => `${base}int work(int x) { ${body} }\n`;
        const result = matchOther(wrap(ours), wrap(theirs));
        if (mismatch === undefined) expect(result).toBeUndefined();
        else expect(result).toMatch(mismatch);
      });
    }
  });

  test("never takes damaged code for the function", () => {
    const [object, module] = build(PROGRAM, { compile: ["-fPIE"], link: ["-pie"] });
    const symbol = symbolTable(object).find(({ name }) => name === "loop");
    const place = symbolTable(module).find(({ name }) => name === "loop");
    const section = object.sections[symbol?.st_shndx ?? 0];
    expect(section !== undefined && hasFlag(section.sh_flags, SHF.SHF_EXECINSTR)).toBe(true);
    const address = fileAddr(place?.st_value ?? 0);
    const code = addressBytes(module, address, place?.st_size ?? 0) ?? new Uint8Array(0);
    const matcher = createMatcher(object);
    const symbolIndex = symbol?.index ?? 0;
    const good = matcher.match({ symbolIndex, linked: code, address });
    expect(isMismatch(good)).toBe(false);
    let found = 0;
    for (let at = 0; at < code.length; at++) {
      const linked = Uint8Array.from(code);
      linked[at] = (linked[at] ?? 0) ^ 0x10;
      const result = matcher.match({ symbolIndex, linked, address });
      if (isMismatch(result)) found++;
      // Only relocated fields may differ, and then a fact says something else.
      else expect(result.facts).not.toEqual(isMismatch(good) ? [] : good.facts);
    }
    expect(found).toBeGreaterThan(code.length / 2);
    for (const size of [0, 1, code.length - 1]) {
      const linked = code.subarray(0, size);
      expect(isMismatch(matcher.match({ symbolIndex, linked, address }))).toBe(true);
    }
  });
});
