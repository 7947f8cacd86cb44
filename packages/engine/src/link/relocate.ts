/**
 * A hotpatch object becomes bytes for one place in one process.
 *
 * What an ordinary linker does for a whole program is done here for a few functions that join a
 * program already running. Three things differ.
 *
 * 1. Most symbols are somewhere else. `call memcpy` has a displacement of 32 bits, but libc lies
 *    terabytes away from the program, whose neighbour we are:
 *
 *        module            new code  stub                               libc
 *        |...............| |call ---> jmp *slot(%rip)|  ................| memcpy |
 *                                          `--> GOT slot: 7f12 3456 7890 ---^
 *
 *    The program's own PLT is no help: it has no entries for functions that only the fix calls.
 *    So calls get stubs of our own, used where the function is out of reach. A displacement that
 *    reads or writes data has no such way out: it fits or the object is refused. Nothing is
 *    relaxed (a load from the GOT stays one), for relaxing gains nothing here and is one more
 *    thing to get wrong.
 *
 * 2. A replaced function exists twice. In the new code
 *
 *        call f            goes to the new f: no detour over the jump at the old entry
 *        lea f(%rip), ...  gives the OLD entry
 *
 *    for a function pointer taken now must equal one taken before, and must still be good when
 *    the hotpatch is reverted and the new f unmapped. The assembler often names a static function
 *    by its section and an offset, so it is the place referred to that decides, not the symbol.
 *    (References within one section it settles itself and we never see them: hotpatch objects
 *    are compiled with -ffunction-sections.)
 *    Unwind tables are the exception: they describe the new code itself. So are differences
 *    stored in data (`.long label - table`), which gcc emits for switch statements and which
 *    point into the new function.
 *
 * 3. Every overflow is an error. A program that is linked wrongly fails its tests; a process that
 *    is patched wrongly is somebody's production.
 *
 * Formulas and field sizes are data in x86-64.ts; places are decided in layout.ts.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { SHF, SHN, STT } from "../elf/constants.ts";
import { type ElfFile, hasFlag, sectionBytes } from "../elf/file.ts";
import { type Relocation, relocationName } from "../elf/relocation.ts";
import type { ElfSymbol } from "../elf/symbol.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { createImage, type Image, type LinkedSegment } from "./image.ts";
import { isCall, isEhFrame, type Layout, type PlacedSection, slotKey } from "./layout.ts";
import {
  createSymbolValues,
  nameOf,
  type OriginalEntries,
  originalAt,
  originalEntries,
  type ResolvedSymbol,
  type SymbolResolver,
  type SymbolValues,
} from "./symbol-values.ts";

export type { LinkedSegment, ResolvedSymbol, SymbolResolver };

import { CALLBACK_RUNNER, runnerUnwindTable } from "./callback-runner.ts";
import {
  fits,
  type RelocationRule,
  relocationRule,
  STUB_UNWIND_SIZE,
  stubUnwindTable,
  writeStub,
} from "./x86-64.ts";

export interface LinkedImage {
  readonly base: VirtualAddr;
  readonly segments: readonly LinkedSegment[];
  /** All defined functions. Of local ones with the same name the last. */
  readonly symbols: ReadonlyMap<string, VirtualAddr>;
  /** The code that runs callbacks; absent where there are none. */
  readonly runner?: VirtualAddr;
  /** The unwind table of the new code and the stubs, ended by a zero word. */
  readonly ehFrame?: { readonly address: VirtualAddr; readonly size: number };
  /** Empty where `ehFrame` is absent. */
  readonly ehFrameBytes: Uint8Array;
}

/**
 * Links a relocatable object for `base`, which must be a multiple of the page size.
 *
 * `replaced` maps the symbol of each replacement to the original's entry. Refuses references that
 * do not fit (`unsupported-relocation`), what the resolver refuses, thread-local variables used as
 * others and the reverse (`unresolved-tls`), and replacements that the object does not define
 * (`bad-hotpatch`). A weak symbol that nobody defines is zero. Throws FormatError for bad bytes.
 */
export function linkObject(
  object: ElfFile,
  layout: Layout,
  base: VirtualAddr,
  resolve: SymbolResolver,
  replaced: ReadonlyMap<string, VirtualAddr> = new Map(),
): LinkedImage | Refusal {
  const originals = originalEntries(layout.symbols, replaced);
  if (isRefusal(originals)) return originals;
  const linker: Linker = {
    object,
    layout,
    base,
    originals,
    image: createImage(layout),
    symbolOf: createSymbolValues(layout, base, resolve),
  };
  copySections(linker);
  const refusal = fillSlots(linker) ?? relocateSections(linker);
  if (refusal) return refusal;
  const ehFrameBytes = fillStubs(linker);
  fillRunner(linker, ehFrameBytes);
  return {
    base,
    segments: linker.image.segments,
    symbols: definedFunctions(layout, base),
    ...(layout.runner !== undefined && { runner: at(base, layout.runner) }),
    ...(layout.ehFrame && {
      ehFrame: { address: at(base, layout.ehFrame.offset), size: layout.ehFrame.size },
    }),
    ehFrameBytes,
  };
}

interface Linker {
  readonly object: ElfFile;
  readonly layout: Layout;
  readonly base: VirtualAddr;
  readonly originals: OriginalEntries;
  readonly image: Image;
  readonly symbolOf: SymbolValues;
}

const at = (base: VirtualAddr, offset: number): VirtualAddr => virtualAddr(base + offset);

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function copySections({ object, layout, image }: Linker): void {
  for (const { section, offset } of layout.sections)
    image.bytesAt(offset).set(sectionBytes(object, section));
}

/** Writes the GOT: what the process would have there had its linker made these slots. */
function fillSlots(linker: Linker): Refusal | undefined {
  const { layout, image } = linker;
  for (const slot of layout.slots.values()) {
    const view = viewOf(image.bytesAt(slot.offset));
    const found = linker.symbolOf(slot.symbolIndex);
    if (isRefusal(found)) return found;
    const symbol = layout.symbols[slot.symbolIndex] as ElfSymbol;
    const name = nameOf(symbol);
    if (slot.kind === "address") {
      if (found.kind !== "address") return wrongKind(name, "is thread-local");
      const taken = originalAt(linker.originals, symbol, 0) ?? found.address;
      view.setBigUint64(0, BigInt.asUintN(64, BigInt(taken)), true);
      continue;
    }
    if (found.kind !== "tls") return wrongKind(name, "is not thread-local");
    const words = tlsWords(slot.kind, found);
    if (!words) return wrongKind(name, `has no known place (${slot.kind})`);
    words.forEach((word, i) => {
      view.setBigInt64(i * 8, BigInt(word), true);
    });
  }
  return undefined;
}

function tlsWords(
  kind: "tpoff" | "tls-variable" | "tls-module",
  found: ResolvedSymbol & { kind: "tls" },
): number[] | undefined {
  const { offset, threadPointerOffset, moduleId } = found;
  if (kind === "tpoff")
    return threadPointerOffset === undefined ? undefined : [threadPointerOffset];
  if (moduleId === undefined) return undefined;
  return kind === "tls-variable" ? [moduleId, offset] : [moduleId, 0];
}

const wrongKind = (name: string, problem: string): Refusal =>
  refuse(
    "unresolved-tls",
    `${name} ${problem}`,
    "Restart the program on the fixed version: its threads keep this variable elsewhere.",
  );

function relocateSections(linker: Linker): Refusal | undefined {
  for (const placed of linker.layout.sections) {
    const original = sectionBytes(linker.object, placed.section);
    for (const relocation of placed.relocations) {
      const refusal = applyRelocation(linker, placed, original, relocation);
      if (refusal) return refusal;
    }
  }
  return undefined;
}

function applyRelocation(
  linker: Linker,
  placed: PlacedSection,
  original: Uint8Array,
  relocation: Relocation,
): Refusal | undefined {
  const rule = relocationRule(relocation.type) as RelocationRule;
  if (rule.formula === "none") return undefined;
  const place = { placed, relocation, rule, P: linker.base + placed.offset + relocation.r_offset };
  const value = isCall(placed.section, original, relocation, rule)
    ? callValue(linker, place)
    : relocationValue(linker, place);
  if (typeof value === "object") return value;
  if (!fits(Number(value), rule)) return doesNotFit(linker, place, Number(value));
  const field = viewOf(linker.image.bytesAt(placed.offset + relocation.r_offset));
  if (rule.size === 8) field.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  else if (rule.size === 4) field.setInt32(0, Number(value), true);
  else if (rule.size === 2) field.setInt16(0, Number(value), true);
  else field.setInt8(0, Number(value));
  return undefined;
}

interface Place {
  readonly placed: PlacedSection;
  readonly relocation: Relocation;
  readonly rule: RelocationRule;
  /** The address of the field. */
  readonly P: number;
}

/** Calls go to the symbol itself where that is in reach, else to its stub. */
function callValue(linker: Linker, { relocation, rule, P }: Place): number | bigint | Refusal {
  const { symbolIndex, r_addend: A } = relocation;
  const found = linker.symbolOf(symbolIndex);
  if (isRefusal(found)) return found;
  const name = nameOf(linker.layout.symbols[symbolIndex] as ElfSymbol);
  if (found.kind !== "address") return wrongKind(name, "is thread-local");
  if (rule.formula === "L + A - GOT")
    return sum(found.address, A, -linker.base - linker.layout.got);
  const direct = found.address + A - P;
  if (fits(direct, rule)) return direct;
  const stub = linker.layout.stubs.get(symbolIndex);
  return stub === undefined ? direct : linker.base + stub + A - P;
}

/** Exact where numbers are not: addends may have any 64-bit value. */
const sum = (...terms: number[]): bigint => terms.reduce((total, term) => total + BigInt(term), 0n);

function relocationValue(
  linker: Linker,
  { placed, relocation, rule, P }: Place,
): number | bigint | Refusal {
  const { layout, base } = linker;
  const { symbolIndex, r_addend: A } = relocation;
  const symbol = layout.symbols[symbolIndex] as ElfSymbol;
  const GOT = base + layout.got;
  if (rule.slot) {
    // Counted by planLayout for this very relocation.
    const slot = base + (layout.slots.get(slotKey(rule.slot, symbolIndex))?.offset ?? 0);
    return rule.formula === "G + A" ? sum(slot, A, -GOT) : slot + A - P;
  }
  if (rule.formula === "GOT + A - P") return sum(GOT, A, -P);
  if (rule.formula === "Z + A") {
    if (symbol.st_shndx !== SHN.SHN_UNDEF) return sum(symbol.st_size, A);
    return unknownSize(linker, { placed, relocation, rule, P });
  }
  const found = linker.symbolOf(symbolIndex);
  if (isRefusal(found)) return found;
  if (rule.formula === "tpoff + A" || rule.formula === "dtpoff + A") {
    if (found.kind !== "tls") return wrongKind(nameOf(symbol), "is not thread-local");
    const offset = rule.formula === "tpoff + A" ? found.threadPointerOffset : found.offset;
    if (offset === undefined) return wrongKind(nameOf(symbol), "has no known place (tpoff)");
    return sum(offset, A);
  }
  if (found.kind !== "address") return wrongKind(nameOf(symbol), "is thread-local");
  const S = takenAddress(linker, { placed, relocation, rule, P }) ?? found.address;
  if (rule.formula === "S + A - P") return sum(S, A, -P);
  return rule.formula === "S + A - GOT" ? sum(S, A, -GOT) : sum(S, A);
}

/**
 * The S that makes a reference to a replaced function give the original entry; essay, point 2.
 *
 * In code the displacement counts from the end of its four bytes, which is the end of the
 * instruction for everything that takes an address: the place referred to is S + A + 4.
 */
function takenAddress(linker: Linker, { placed, relocation, rule }: Place): number | undefined {
  if (isEhFrame(placed.section)) return undefined;
  const relative = rule.formula === "S + A - P";
  const inCode = hasFlag(placed.section.sh_flags, SHF.SHF_EXECINSTR);
  if (relative && !(inCode && rule.size === 4)) return undefined;
  const offset = relocation.r_addend + (relative ? 4 : 0);
  const symbol = linker.layout.symbols[relocation.symbolIndex];
  const original = originalAt(linker.originals, symbol, offset);
  return original === undefined ? undefined : original - offset;
}

const describePlace = (linker: Linker, { placed, relocation }: Place): string => {
  const symbol = linker.layout.symbols[relocation.symbolIndex] as ElfSymbol;
  const place = `${placed.section.name}+0x${relocation.r_offset.toString(16)}`;
  const section = linker.object.sections[symbol.st_shndx]?.name;
  const name = symbol.name || (symbol.type === STT.STT_SECTION && section) || nameOf(symbol);
  return `${place}: ${relocationName(relocation.type)} against ${name}`;
};

const doesNotFit = (linker: Linker, place: Place, value: number): Refusal =>
  refuse(
    "unsupported-relocation",
    `${describePlace(linker, place)} does not fit in ${place.rule.size * 8} bits (${value})`,
    "Build the hotpatch with the compiler options of the original program.",
  );

const unknownSize = (linker: Linker, place: Place): Refusal =>
  refuse(
    "unsupported-relocation",
    `${describePlace(linker, place)} asks for the size of a symbol of the process`,
    "Build the hotpatch with the compiler options of the original program.",
  );

/** Writes the stubs and their unwind table, and gives the whole unwind table. */
function fillStubs({ layout, base, image }: Linker): Uint8Array {
  for (const [symbolIndex, offset] of layout.stubs) {
    const slot = layout.slots.get(slotKey("address", symbolIndex))?.offset ?? 0;
    writeStub(viewOf(image.bytesAt(offset)), 0, { stub: offset, slot });
  }
  if (!layout.ehFrame) return new Uint8Array(0);
  const table = image.bytesAt(layout.ehFrame.offset).subarray(0, layout.ehFrame.size);
  const { offset, size } = layout.stubRange;
  if (size > 0)
    table.set(stubUnwindTable({ table: base + layout.ehFrame.offset, stubs: base + offset, size }));
  return table;
}

/** Its unwind table comes behind that of the stubs. */
function fillRunner({ layout, base, image }: Linker, table: Uint8Array): void {
  if (layout.runner === undefined || layout.ehFrame === undefined) return;
  image.bytesAt(layout.runner).set(CALLBACK_RUNNER);
  const at = layout.stubRange.size > 0 ? STUB_UNWIND_SIZE : 0;
  const addresses = { table: base + layout.ehFrame.offset + at, runner: base + layout.runner };
  table.set(runnerUnwindTable(addresses), at);
}

function definedFunctions(layout: Layout, base: VirtualAddr): ReadonlyMap<string, VirtualAddr> {
  const placed = new Map(layout.sections.map(({ section, offset }) => [section.index, offset]));
  const functions = new Map<string, VirtualAddr>();
  for (const symbol of layout.symbols) {
    const offset = placed.get(symbol.st_shndx);
    if (offset !== undefined && symbol.type === STT.STT_FUNC)
      functions.set(symbol.name, at(base, offset + symbol.st_value));
  }
  return functions;
}
