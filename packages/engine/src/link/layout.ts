/**
 * Where everything of a hotpatch object will stand, as offsets from a base not known yet.
 *
 *     0        r-x   .text*            the new code
 *                    stubs             one for each function called by a 32-bit displacement
 *                    callback runner   where there are callbacks
 *     page     r--   GOT               slots for addresses and thread-local variables
 *                    .eh_frame         ours for the stubs, the object's, a terminator
 *                    .rodata*, .data.rel.ro*, every other read-only section
 *     page     rw-   .data*, .bss*, COMMON
 *
 * Sections that the process has already, from a hotpatch that this one supersedes, get no place.
 * The size must be known before memory is asked for, and only where that memory lies tells which
 * references are near. So each slot and stub that might be needed is counted.
 */

import type { VirtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { ET, SHF, SHN, SHT, STT } from "../elf/constants.ts";
import type { ElfFile, Section } from "../elf/file.ts";
import { sectionBytes } from "../elf/file.ts";
import type { Relocation } from "../elf/relocation.ts";
import { relocationName, relocationsOf } from "../elf/relocation.ts";
import type { ElfSymbol } from "../elf/symbol.ts";
import { symbolTable } from "../elf/symbol.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { CALLBACK_RUNNER, RUNNER_UNWIND_SIZE } from "./callback-runner.ts";
import {
  isBranchField,
  type RelocationRule,
  relocationRule,
  SLOT_WORDS,
  type SlotKind,
  STUB_SIZE,
  STUB_UNWIND_SIZE,
} from "./x86-64.ts";

export type Protection = "r-x" | "r--" | "rw-";

export interface LayoutSegment {
  readonly protection: Protection;
  /** From the base; a multiple of the page size, as is `size`. */
  readonly offset: number;
  readonly size: number;
}

export interface PlacedSection {
  readonly section: Section;
  readonly protection: Protection;
  /** From the base. */
  readonly offset: number;
  readonly relocations: readonly Relocation[];
}

export interface Slot {
  readonly kind: SlotKind;
  readonly symbolIndex: number;
  /** From the base. */
  readonly offset: number;
}

export interface Layout {
  /** Of everything, a multiple of the page size. */
  readonly size: number;
  /** Those that are not empty. None is both writable and executable. */
  readonly segments: readonly LayoutSegment[];
  readonly sections: readonly PlacedSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Where sections are that the process has already, by section index. */
  readonly kept: KeptSections;
  /** Offset from the base of each COMMON symbol, by symbol index. */
  readonly commons: ReadonlyMap<number, number>;
  /** Offset from the base of the GOT. */
  readonly got: number;
  readonly slots: ReadonlyMap<string, Slot>;
  /** Offset from the base of the stub of each undefined function, by symbol index. */
  readonly stubs: ReadonlyMap<number, number>;
  readonly stubRange: { readonly offset: number; readonly size: number };
  /** Offset from the base of the code that runs callbacks; absent where there are none. */
  readonly runner?: number;
  /** Unwind information of the new code and the stubs; absent where there is neither. */
  readonly ehFrame?: { readonly offset: number; readonly size: number };
}

/** Sections that are not placed, for the process has them already, by section index. */
export type KeptSections = ReadonlyMap<number, VirtualAddr>;

export interface LayoutOptions {
  /** Sections that stay where they are in the process: nothing of them is written. */
  readonly kept?: KeptSections;
  readonly hasCallbacks?: boolean;
}

export const PAGE_SIZE = 4096;

/** A hotpatch is some functions; what asks for more than this is damaged or hostile. */
const LAYOUT_SIZE_MAX = 64 * 1024 * 1024;

/** Unwind tables have rules of their own, whatever the section type. */
export const isEhFrame = (section: Section): boolean => section.name === ".eh_frame";

export const slotKey = (kind: SlotKind, symbolIndex: number): string => `${kind} ${symbolIndex}`;

/**
 * Places the sections of a relocatable object in at most three segments.
 *
 * Refuses relocation types that cannot be applied (`unsupported-relocation`), new thread-local
 * variables (`unresolved-tls`), and objects that no hotpatch may be (`bad-hotpatch`): with
 * constructors, writable code, indirect functions of their own or absurd sizes. Throws FormatError.
 */
export function planLayout(
  object: ElfFile,
  { kept: present = new Map(), hasCallbacks = false }: LayoutOptions = {},
): Layout | Refusal {
  if (object.e_type !== ET.ET_REL) return bad("the file is no relocatable object");
  const symbols = symbolTable(object);
  const refusal = checkSections(object) ?? checkSymbols(symbols);
  if (refusal) return refusal;
  const kept = keptSections(object).filter(({ section }) => !present.has(section.index));
  const needs = countNeeds(object, kept, symbols);
  if (isRefusal(needs)) return needs;
  const layout = place(kept, symbols, { ...needs, hasCallbacks });
  return isRefusal(layout) ? layout : { ...layout, kept: present };
}

interface Kept {
  readonly section: Section;
  readonly protection: Protection;
  readonly relocations: readonly Relocation[];
}

interface Needs {
  readonly slots: ReadonlyMap<string, { kind: SlotKind; symbolIndex: number }>;
  readonly called: ReadonlySet<number>;
}

interface Wanted extends Needs {
  readonly hasCallbacks: boolean;
}

const bad = (detail: string): Refusal =>
  refuse("bad-hotpatch", detail, "Build the hotpatch again from its source and its fix.");

function checkSections(object: ElfFile): Refusal | undefined {
  for (const section of object.sections) {
    if (!(section.sh_flags & SHF.SHF_ALLOC) || section.sh_size === 0) continue;
    if (section.sh_flags & SHF.SHF_TLS)
      return refuse(
        "unresolved-tls",
        `section ${section.name} holds a new thread-local variable`,
        "Running threads have no room for it: restart the program on the fixed version.",
      );
    if (/^\.(preinit_array|init_array|fini_array|ctors|dtors|init|fini)\b/.test(section.name))
      return bad(`section ${section.name} would have to run when the program starts`);
    if (section.sh_flags & SHF.SHF_EXECINSTR && section.sh_flags & SHF.SHF_WRITE)
      return bad(`section ${section.name} is writable code`);
    if (section.sh_flags & SHF.SHF_COMPRESSED) return bad(`section ${section.name} is compressed`);
    const alignment = section.sh_addralign;
    if (alignment > PAGE_SIZE || (alignment > 1 && (alignment & (alignment - 1)) !== 0))
      return bad(`section ${section.name} asks for an alignment of ${alignment}`);
  }
  return undefined;
}

function checkSymbols(symbols: readonly ElfSymbol[]): Refusal | undefined {
  for (const symbol of symbols) {
    if (symbol.st_shndx === SHN.SHN_UNDEF) continue;
    if (symbol.type === STT.STT_GNU_IFUNC) return bad(`${symbol.name} is an indirect function`);
    if (symbol.type === STT.STT_TLS)
      return refuse(
        "unresolved-tls",
        `${symbol.name} is a new thread-local variable`,
        "Running threads have no room for it: restart the program on the fixed version.",
      );
  }
  return undefined;
}

function keptSections(object: ElfFile): Kept[] {
  const kept: Kept[] = [];
  for (const section of object.sections) {
    if (!(section.sh_flags & SHF.SHF_ALLOC)) continue;
    if (section.sh_flags & SHF.SHF_TLS || section.sh_type === SHT.SHT_NOTE) continue;
    if (/^\.(note|comment|debug|suture)\b/.test(section.name)) continue;
    kept.push({
      section,
      protection: protectionOf(section),
      relocations: relocationsOf(object, section),
    });
  }
  return kept;
}

function protectionOf(section: Section): Protection {
  if (section.sh_flags & SHF.SHF_EXECINSTR) return "r-x";
  if (isEhFrame(section) || /^\.data\.rel\.ro\b/.test(section.name)) return "r--";
  return section.sh_flags & SHF.SHF_WRITE ? "rw-" : "r--";
}

/** The slots and stubs that the relocations can need; checks each relocation on the way. */
function countNeeds(
  object: ElfFile,
  kept: readonly Kept[],
  symbols: readonly ElfSymbol[],
): Needs | Refusal {
  const slots = new Map<string, { kind: SlotKind; symbolIndex: number }>();
  const called = new Set<number>();
  const need = (kind: SlotKind, symbolIndex: number) =>
    slots.set(slotKey(kind, symbolIndex), { kind, symbolIndex });
  for (const { section, relocations } of kept) {
    const bytes = sectionBytes(object, section);
    for (const relocation of relocations) {
      const rule = relocationRule(relocation.type);
      if (!rule) return unsupported(section, relocation, symbols);
      checkField(section, bytes, relocation, rule);
      const { symbolIndex } = relocation;
      const symbol = symbols[symbolIndex];
      if (!symbol) throw badSymbolIndex(section, relocation, symbols.length);
      if (rule.slot) need(rule.slot, symbolIndex);
      if (symbol.st_shndx === SHN.SHN_UNDEF && isCall(section, bytes, relocation, rule)) {
        called.add(symbolIndex);
        need("address", symbolIndex);
      }
    }
  }
  return { slots, called };
}

/** Whether the relocation stands in a direct call or jump, which may go through a stub. */
export function isCall(
  section: Section,
  bytes: Uint8Array,
  relocation: Relocation,
  rule: RelocationRule,
): boolean {
  if (rule.formula === "L + A - P" || rule.formula === "L + A - GOT") return true;
  if (rule.formula !== "S + A - P" || rule.size !== 4) return false;
  return (section.sh_flags & SHF.SHF_EXECINSTR) !== 0 && isBranchField(bytes, relocation.r_offset);
}

function checkField(
  section: Section,
  bytes: Uint8Array,
  relocation: Relocation,
  rule: RelocationRule,
): void {
  if (relocation.r_offset + rule.size <= bytes.length) return;
  throw new FormatError({
    what: `relocation of section ${section.name}`,
    offset: relocation.r_offset,
    expected: `a field of ${rule.size} bytes within ${bytes.length}`,
    found: "a place outside of the section",
  });
}

const badSymbolIndex = (section: Section, relocation: Relocation, count: number): FormatError =>
  new FormatError({
    what: `relocation of section ${section.name}`,
    offset: relocation.r_offset,
    expected: `a symbol index below ${count}`,
    found: `${relocation.symbolIndex}`,
  });

function unsupported(
  section: Section,
  relocation: Relocation,
  symbols: readonly ElfSymbol[],
): Refusal {
  const place = `${section.name}+0x${relocation.r_offset.toString(16)}`;
  const name = symbols[relocation.symbolIndex]?.name ?? `symbol ${relocation.symbolIndex}`;
  return refuse(
    "unsupported-relocation",
    `${place}: ${relocationName(relocation.type)} against ${name}`,
    "Build the hotpatch with the compiler options of the original program.",
  );
}

const alignUp = (value: number, alignment: number): number =>
  alignment > 1 ? Math.ceil(value / alignment) * alignment : value;

/** Hands out offsets in order; the order of the calls in `place` is the order in memory. */
function createCursor() {
  let position = 0;
  return {
    get position() {
      return position;
    },
    take(size: number, alignment: number): number {
      const offset = alignUp(position, alignment);
      position = offset + size;
      return offset;
    },
  };
}

function place(
  kept: readonly Kept[],
  symbols: readonly ElfSymbol[],
  needs: Wanted,
): Omit<Layout, "kept"> | Refusal {
  const cursor = createCursor();
  const sections: PlacedSection[] = [];
  const put = (wanted: Kept[], packed = false) => {
    for (const entry of wanted)
      sections.push({
        ...entry,
        offset: cursor.take(entry.section.sh_size, packed ? 1 : entry.section.sh_addralign),
      });
  };
  const ofProtection = (protection: Protection) =>
    kept.filter((entry) => entry.protection === protection && !isEhFrame(entry.section));

  put(ofProtection("r-x"));
  const stubs = new Map<number, number>();
  const stubStart = cursor.take(0, needs.called.size > 0 ? 16 : 1);
  for (const symbolIndex of needs.called) stubs.set(symbolIndex, cursor.take(STUB_SIZE, 1));
  const runner = needs.hasCallbacks ? cursor.take(CALLBACK_RUNNER.length, 16) : undefined;
  const readOnlyStart = cursor.take(0, PAGE_SIZE);

  const slots = new Map<string, Slot>();
  const got = cursor.take(0, 16);
  for (const [key, slot] of needs.slots)
    slots.set(key, { ...slot, offset: cursor.take(SLOT_WORDS[slot.kind] * 8, 8) });
  const ehFrames = kept.filter((entry) => isEhFrame(entry.section));
  const ehFrameStart = cursor.take(stubs.size > 0 ? STUB_UNWIND_SIZE : 0, 8);
  if (runner !== undefined) cursor.take(RUNNER_UNWIND_SIZE, 1);
  // Packed without gaps: a zero word between two tables would end the first reader's walk.
  put(ehFrames, true);
  const hasEhFrame = cursor.position > ehFrameStart;
  if (hasEhFrame) cursor.take(4, 1);
  const ehFrameSize = cursor.position - ehFrameStart;
  put(ofProtection("r--"));
  const writableStart = cursor.take(0, PAGE_SIZE);

  put(ofProtection("rw-"));
  const commons = new Map<number, number>();
  for (const symbol of symbols)
    if (symbol.st_shndx === SHN.SHN_COMMON)
      commons.set(symbol.index, cursor.take(symbol.st_size, commonAlignment(symbol)));
  const size = cursor.take(0, PAGE_SIZE);

  if (!(size <= LAYOUT_SIZE_MAX)) return bad(`the object asks for ${size} bytes of memory`);
  const starts = [0, readOnlyStart, writableStart, size];
  const protections: readonly Protection[] = ["r-x", "r--", "rw-"];
  const segments = protections
    .map((protection, i) => {
      const offset = starts[i] ?? size;
      return { protection, offset, size: (starts[i + 1] ?? size) - offset };
    })
    .filter((segment) => segment.size > 0);
  return {
    size,
    segments,
    sections,
    symbols,
    commons,
    got,
    slots,
    stubs,
    stubRange: { offset: stubStart, size: stubs.size * STUB_SIZE },
    ...(runner !== undefined && { runner }),
    ...(hasEhFrame && { ehFrame: { offset: ehFrameStart, size: ehFrameSize } }),
  };
}

/** A COMMON symbol's value is its alignment (gABI, "Symbol Values"). */
function commonAlignment(symbol: ElfSymbol): number {
  const alignment = symbol.st_value as number;
  return alignment >= 1 && alignment <= PAGE_SIZE ? alignment : PAGE_SIZE;
}
