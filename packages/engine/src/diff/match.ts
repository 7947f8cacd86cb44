/**
 * Run-pre matching: does linked code come from this function of an object, and what does the
 * linked code then say about the object's symbols?
 *
 * "Run" is the code in the module, "pre" the object compiled from the source before the fix. Two
 * questions are answered by one walk. First, safety: a hotpatch may replace a function only where
 * it is what the hotpatch was built from. Second, symbols: a static variable has no name in a
 * stripped module, but the code that uses it holds its address, at the very place where the
 * object has a relocation:
 *
 *     object   83 05 00 00 00 00 01   addl $1, 0(%rip)     R_X86_64_PC32 .bss.calls - 5
 *     module   83 05 1d 2e 00 00 01   addl $1, 0x2e1d(%rip)          => calls is at 0x4024
 *
 * Comparing bytes with the relocated fields left out is the obvious way and fails on one
 * function in some hundred, because the same assembly comes out differently: the module was
 * compiled without -ffunction-sections, so the assembler knew distances that it does not know in
 * the object, and the linker rewrites instructions. So the walk goes instruction by instruction
 * in both, and takes as equal:
 *
 * - branches in their short and long forms, when they lead to the same place: targets inside the
 *   function are paired up after the walk, when every instruction has its counterpart;
 * - fillers (nops of any length), which are stepped over on either side;
 * - what the linker relaxes: `mov foo@GOTPCREL(%rip)` to `lea` or an immediate, `call *foo@GOT`
 *   to `addr32 call foo`, `jmp *foo@GOT` to `jmp foo; nop`, and the sequences for thread-local
 *   variables (psABI, B.2 and 11.1.2).
 *
 * Every other instruction must be byte for byte the same outside of relocated fields. A function
 * is small and its facts are many, so a wrong match would contradict itself: one symbol with two
 * addresses is a mismatch. With `read`, the strings, constants and jump tables that the code
 * refers to are compared as well, and the split-off part is matched like the function itself.
 *
 * What a fact's value means depends on how the linker resolved the symbol: a `call` may lead to
 * the function or to its PLT entry, and a `got-slot` is the place where the dynamic linker puts
 * the address. Telling these apart needs the module's tables, which the caller has.
 */
import assert from "node:assert/strict";
import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { STT } from "../elf/constants.ts";
import { type ElfFile, sectionBytes } from "../elf/file.ts";
import { type Relocation, relocationsOf } from "../elf/relocation.ts";
import { symbolTable } from "../elf/symbol.ts";
import { decodeCode } from "./code.ts";
import type { MatchContext, MatchFact, ObjectFunction, ReadImage } from "./match-facts.ts";
import { pairInstructions } from "./match-instruction.ts";
import { createLabelMap, type LabelMap } from "./match-labels.ts";
import { checkFacts, checkReferences } from "./match-references.ts";
import { hotName } from "./names.ts";

export type { FactKind, MatchFact, ReadImage } from "./match-facts.ts";

export interface MatchRequest {
  readonly object: ElfFile;
  /** Index of the function's symbol in the object's symbol table. */
  readonly symbolIndex: number;
  /** Bytes of the module from `address` on; may reach beyond the function. */
  readonly linked: Uint8Array;
  readonly address: FileAddr;
  /** Reads the module's file image: with it, strings, constants, jump tables and parts are compared. */
  readonly read?: ReadImage;
}

export interface FunctionMatch {
  /** Bytes of the linked function, without the padding behind it. */
  readonly size: number;
  /** What the linked code says about the object's symbols, its parts' code included. */
  readonly facts: readonly MatchFact[];
  /** Where the split-off parts stand (`NAME.cold`); their size only when `read` was given. */
  readonly parts: readonly MatchedPart[];
}

export interface MatchedPart {
  readonly symbolIndex: number;
  readonly address: FileAddr;
  readonly size?: number;
}

export interface Mismatch {
  readonly mismatch: string;
  /** Where in the object's function, in bytes from its start. */
  readonly objectOffset: number;
  readonly address: FileAddr;
}

export const isMismatch = (result: FunctionMatch | Mismatch): result is Mismatch =>
  "mismatch" in result;

/** The functions of one object, prepared for matching. */
export interface ObjectMatcher {
  readonly match: (request: Omit<MatchRequest, "object">) => FunctionMatch | Mismatch;
}

/**
 * Compares one function of an object with linked code at an address, instruction by instruction.
 *
 * Gives what the code reveals about the symbols it refers to, or where the two part. For many
 * functions of one object, createMatcher saves reading its tables again.
 */
export function matchFunction(request: MatchRequest): FunctionMatch | Mismatch {
  return createMatcher(request.object).match(request);
}

/** Reads an object's tables once for the matching of many functions. */
export function createMatcher(object: ElfFile): ObjectMatcher {
  const symbols = symbolTable(object);
  const relocations = new Map<number, readonly Relocation[]>();
  const relocationsOfSection = (index: number): readonly Relocation[] => {
    const known = relocations.get(index);
    if (known !== undefined) return known;
    const section = object.sections[index];
    const list = section === undefined ? [] : relocationsOf(object, section);
    relocations.set(index, list);
    return list;
  };
  const context: MatchContext = { object, symbols, relocationsOfSection };
  return { match: (request) => matchWhole(context, request) };
}

interface Walk {
  readonly size: number;
  readonly facts: readonly MatchFact[];
  readonly labels: LabelMap;
}

function matchWhole(
  context: MatchContext,
  request: Omit<MatchRequest, "object">,
): FunctionMatch | Mismatch {
  const walk = walkFunction(context, request);
  if ("mismatch" in walk) return walk;
  const { read, address } = request;
  const fail = (mismatch: string): Mismatch => ({ mismatch, objectOffset: 0, address });
  const parts: MatchedPart[] = [];
  const facts = [...walk.facts];
  for (const part of partsIn(context, request.symbolIndex, walk.facts)) {
    if (read === undefined) {
      parts.push(part);
      continue;
    }
    const linked = readAround(read, part.address, context.symbols[part.symbolIndex]?.st_size ?? 0);
    if (linked === undefined) return fail("the split-off part is not in the module");
    const other = walkFunction(context, { ...request, ...part, linked });
    if ("mismatch" in other) return other;
    parts.push({ ...part, size: other.size });
    facts.push(...other.facts);
  }
  const contradiction = checkFacts(context, {
    facts,
    function: { symbolIndex: request.symbolIndex, address, labels: walk.labels },
  });
  if (contradiction !== undefined) return fail(contradiction);
  if (read !== undefined) {
    const difference = checkReferences(context, { ...request, read, facts, labels: walk.labels });
    if (difference !== undefined) return fail(difference);
  }
  return { size: walk.size, facts, parts };
}

/** Bytes for a function of this size, with room for longer encodings where the image has it. */
function readAround(read: ReadImage, address: FileAddr, size: number): Uint8Array | undefined {
  return read(address, 2 * size + 64) ?? read(address, size + 16) ?? read(address, size);
}

function walkFunction(
  context: MatchContext,
  { symbolIndex, linked, address }: Omit<MatchRequest, "object" | "read">,
): Walk | Mismatch {
  const pre = objectFunction(context, symbolIndex);
  const run = decodeCode(linked.subarray(0, 2 * pre.bytes.length + 64));
  const labels = createLabelMap();
  const facts: MatchFact[] = [];
  let size = 0;
  let i = 0;
  let j = 0;
  for (;;) {
    for (; pre.instructions[i]?.filler; i++) labels.addObject(pre.instructions[i]?.offset ?? 0);
    for (; run[j]?.filler; j++) labels.addLinked(run[j]?.offset ?? 0);
    const own = pre.instructions[i];
    const other = run[j];
    if (own === undefined) break;
    const fail = (mismatch: string): Mismatch => ({
      mismatch,
      objectOffset: own.offset,
      address: fileAddr(address + (other?.offset ?? linked.length)),
    });
    if (other === undefined) return fail("the linked code ends before the function");
    labels.pair(own.offset, other.offset);
    const step = pairInstructions({ pre, own, i, run, other, linked, address, facts, context });
    if ("mismatch" in step) return fail(step.mismatch);
    if (step.branch !== undefined) labels.addBranch(step.branch);
    facts.push(...step.facts);
    i += step.objectCount;
    j += step.linkedCount;
    size = run[j - 1]?.end ?? size;
  }
  const wrong = labels.wrongBranch();
  if (wrong === undefined) return { size, facts, labels };
  return {
    mismatch: "a branch leads to another place",
    objectOffset: wrong.object,
    address: fileAddr(address + wrong.linked),
  };
}

function objectFunction(
  { object, symbols, relocationsOfSection }: MatchContext,
  symbolIndex: number,
): ObjectFunction {
  const symbol = symbols[symbolIndex];
  const section = object.sections[symbol?.st_shndx ?? 0];
  assert(symbol !== undefined && section !== undefined, "the symbol is a function of the object");
  const start = symbol.st_value;
  const size = symbol.st_size > 0 ? symbol.st_size : section.sh_size - start;
  const bytes = sectionBytes(object, section).subarray(start, start + size);
  const relocations = relocationsOfSection(section.index)
    .filter(({ r_offset }) => r_offset >= start && r_offset < start + size)
    .map((it) => ({ ...it, r_offset: it.r_offset - start }))
    .sort((a, b) => a.r_offset - b.r_offset);
  return { symbol, bytes, instructions: decodeCode(bytes), relocations };
}

/** The split-off parts of a function that its branches lead to. */
function partsIn(
  { symbols }: MatchContext,
  symbolIndex: number,
  facts: readonly MatchFact[],
): MatchedPart[] {
  const name = symbols[symbolIndex]?.name;
  const parts = symbols.filter((it) => it.type === STT.STT_FUNC && hotName(it.name) === name);
  return parts.flatMap((part) => {
    const [first] = facts
      .filter(({ kind, symbolIndex: index }) => {
        const symbol = symbols[index];
        const inPart = index === part.index || symbol?.type === STT.STT_SECTION;
        return kind === "call" && inPart && symbol?.st_shndx === part.st_shndx;
      })
      .sort((a, b) => a.addend - b.addend);
    if (first === undefined) return [];
    const symbol = symbols[first.symbolIndex];
    const offset = (symbol?.st_value ?? 0) + first.addend - part.st_value;
    return [{ symbolIndex: part.index, address: fileAddr(first.value - offset) }];
  });
}
