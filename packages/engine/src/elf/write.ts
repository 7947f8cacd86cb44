import assert from "node:assert/strict";
import { EM_X86_64, ET, SHF, SHN, SHT, SIZE, STB } from "./constants.ts";

/** A relocatable object to be written. */
export interface RelocatableObject {
  readonly sections: readonly ObjectSection[];
  readonly symbols: readonly ObjectSymbol[];
}

export interface ObjectSection {
  readonly name: string;
  readonly sh_type: number;
  readonly sh_flags: number;
  readonly sh_addralign: number;
  readonly sh_entsize?: number;
  readonly bytes: Uint8Array;
  /** The size of an SHT_NOBITS section, whose `bytes` are empty. */
  readonly size?: number;
  readonly relocations: readonly ObjectRelocation[];
}

export interface ObjectRelocation {
  readonly r_offset: number;
  readonly type: number;
  /** Index into the object's `symbols`. */
  readonly symbol: number;
  readonly r_addend: number;
}

export interface ObjectSymbol {
  readonly name: string;
  readonly type: number;
  readonly binding: number;
  readonly visibility: number;
  /** Index into the object's `sections`, or where else the symbol belongs. */
  readonly section: number | "undefined" | "absolute" | "common";
  readonly value: number;
  readonly size: number;
}

/**
 * The bytes of an ET_REL file with these sections and symbols.
 *
 * Section `i` of the object gets section index `i + 1`. Local symbols are put before the others,
 * as gABI "Symbol Table" demands, and relocations follow them; otherwise all order is kept. Added
 * are the null section and symbol, `.symtab`, `.strtab`, `.shstrtab` and a `.rela` section for
 * each section with relocations. Fewer than 65280 sections.
 */
export function writeRelocatable(object: RelocatableObject): Uint8Array {
  const order = symbolOrder(object.symbols);
  const strings = createStrings();
  const symtab = symbolBytes(object, order, strings);
  const localCount = order.findIndex((index) => object.symbols[index]?.binding !== STB.STB_LOCAL);

  const records: SectionRecord[] = object.sections.map((section) => ({
    ...section,
    size: section.sh_type === SHT.SHT_NOBITS ? (section.size ?? 0) : section.bytes.length,
    sh_link: 0,
    sh_info: 0,
    sh_entsize: section.sh_entsize ?? 0,
  }));
  const relocated = object.sections.filter(({ relocations }) => relocations.length > 0);
  const symtabIndex = 1 + object.sections.length + relocated.length;
  const newIndex = invert(order);
  object.sections.forEach((section, index) => {
    if (section.relocations.length === 0) return;
    records.push(relocationRecord(section, { newIndex, symtabIndex, target: index + 1 }));
  });
  // From here no section is added but the three tables, in this order.
  records.push(
    table(".symtab", symtab, {
      sh_type: SHT.SHT_SYMTAB,
      sh_link: symtabIndex + 1,
      sh_info: 1 + (localCount < 0 ? order.length : localCount),
      sh_addralign: 8,
      sh_entsize: SIZE.sym,
    }),
    table(".strtab", strings.bytes(), {}),
  );
  return layOut(records);
}

interface SectionRecord {
  readonly name: string;
  readonly sh_type: number;
  readonly sh_flags: number;
  readonly sh_addralign: number;
  readonly sh_entsize: number;
  readonly sh_link: number;
  readonly sh_info: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

function table(name: string, bytes: Uint8Array, fields: Partial<SectionRecord>): SectionRecord {
  return {
    name,
    sh_type: SHT.SHT_STRTAB,
    sh_flags: 0,
    sh_addralign: 1,
    sh_entsize: 0,
    sh_link: 0,
    sh_info: 0,
    bytes,
    size: bytes.length,
    ...fields,
  };
}

/** Indices of the symbols, locals first. */
function symbolOrder(symbols: readonly ObjectSymbol[]): number[] {
  const isLocal = (index: number): boolean => symbols[index]?.binding === STB.STB_LOCAL;
  const all = symbols.map((_, index) => index);
  return [...all.filter(isLocal), ...all.filter((index) => !isLocal(index))];
}

/** From the object's symbol index to the file's, which counts the null symbol. */
function invert(order: readonly number[]): Uint32Array {
  const newIndex = new Uint32Array(order.length);
  order.forEach((index, position) => {
    newIndex[index] = position + 1;
  });
  return newIndex;
}

function symbolBytes(
  object: RelocatableObject,
  order: readonly number[],
  strings: Strings,
): Uint8Array {
  const bytes = new Uint8Array((order.length + 1) * SIZE.sym);
  const view = new DataView(bytes.buffer);
  order.forEach((index, position) => {
    const symbol = object.symbols[index];
    assert(symbol !== undefined, "the order holds indices of symbols");
    const at = (position + 1) * SIZE.sym;
    view.setUint32(at, strings.add(symbol.name), true);
    view.setUint8(at + 4, (symbol.binding << 4) | (symbol.type & 0xf));
    view.setUint8(at + 5, symbol.visibility);
    view.setUint16(at + 6, sectionIndex(symbol, object.sections.length), true);
    setU64(view, at + 8, symbol.value);
    setU64(view, at + 16, symbol.size);
  });
  return bytes;
}

function sectionIndex({ section, name }: ObjectSymbol, count: number): number {
  switch (section) {
    case "undefined":
      return SHN.SHN_UNDEF;
    case "absolute":
      return SHN.SHN_ABS;
    case "common":
      return SHN.SHN_COMMON;
    default:
      assert(section >= 0 && section < count, `the section of symbol ${name} is in the object`);
      return section + 1;
  }
}

function relocationRecord(
  section: ObjectSection,
  at: { newIndex: Uint32Array; symtabIndex: number; target: number },
): SectionRecord {
  const bytes = new Uint8Array(section.relocations.length * SIZE.rela);
  const view = new DataView(bytes.buffer);
  section.relocations.forEach(({ r_offset, type, symbol, r_addend }, index) => {
    const symbolIndex = at.newIndex[symbol];
    assert(symbolIndex !== undefined, `a relocation of ${section.name} names a symbol`);
    setU64(view, index * SIZE.rela, r_offset);
    view.setUint32(index * SIZE.rela + 8, type, true);
    view.setUint32(index * SIZE.rela + 12, symbolIndex, true);
    view.setBigInt64(index * SIZE.rela + 16, BigInt(r_addend), true);
  });
  return table(`.rela${section.name}`, bytes, {
    sh_type: SHT.SHT_RELA,
    sh_flags: SHF.SHF_INFO_LINK,
    sh_link: at.symtabIndex,
    sh_info: at.target,
    sh_addralign: 8,
    sh_entsize: SIZE.rela,
  });
}

/** File layout: header, contents of the sections in order, section headers. */
function layOut(withoutNames: readonly SectionRecord[]): Uint8Array {
  const names = createStrings();
  const nameOffsets = withoutNames.map(({ name }) => names.add(name));
  nameOffsets.push(names.add(".shstrtab"));
  const records = [...withoutNames, table(".shstrtab", names.bytes(), {})];
  assert(records.length + 1 < SHN.SHN_LORESERVE, "an object has fewer than 65280 sections");

  let end: number = SIZE.ehdr;
  const offsets = records.map((record) => {
    end = align(end, Math.max(1, record.sh_addralign));
    const offset = end;
    if (record.sh_type !== SHT.SHT_NOBITS) end += record.size;
    return offset;
  });
  const e_shoff = align(end, 8);
  const bytes = new Uint8Array(e_shoff + (records.length + 1) * SIZE.shdr);
  const view = new DataView(bytes.buffer);
  writeHeader(view, { e_shoff, e_shnum: records.length + 1 });
  records.forEach((record, index) => {
    const offset = offsets[index] ?? 0;
    if (record.sh_type !== SHT.SHT_NOBITS) bytes.set(record.bytes, offset);
    const at = e_shoff + (index + 1) * SIZE.shdr;
    view.setUint32(at, nameOffsets[index] ?? 0, true);
    view.setUint32(at + 4, record.sh_type, true);
    setU64(view, at + 8, record.sh_flags);
    setU64(view, at + 24, offset);
    setU64(view, at + 32, record.size);
    view.setUint32(at + 40, record.sh_link, true);
    view.setUint32(at + 44, record.sh_info, true);
    setU64(view, at + 48, record.sh_addralign);
    setU64(view, at + 56, record.sh_entsize);
  });
  return bytes;
}

function writeHeader(view: DataView, at: { e_shoff: number; e_shnum: number }): void {
  view.setUint32(0, 0x7f45_4c46, false);
  view.setUint8(4, 2); // ELFCLASS64
  view.setUint8(5, 1); // ELFDATA2LSB
  view.setUint8(6, 1); // EV_CURRENT
  view.setUint16(16, ET.ET_REL, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true); // e_version
  setU64(view, 40, at.e_shoff);
  view.setUint16(52, SIZE.ehdr, true);
  view.setUint16(58, SIZE.shdr, true);
  view.setUint16(60, at.e_shnum, true);
  view.setUint16(62, at.e_shnum - 1, true); // .shstrtab is the last section
}

interface Strings {
  add(text: string): number;
  bytes(): Uint8Array;
}

function createStrings(): Strings {
  const offsets = new Map<string, number>([["", 0]]);
  const parts: Buffer[] = [Buffer.of(0)];
  let size = 1;
  return {
    add(text) {
      const known = offsets.get(text);
      if (known !== undefined) return known;
      assert(!text.includes("\0"), "a name holds no zero character");
      const part = Buffer.from(`${text}\0`, "utf8");
      const offset = size;
      offsets.set(text, offset);
      parts.push(part);
      size += part.length;
      return offset;
    },
    bytes: () => new Uint8Array(Buffer.concat(parts)),
  };
}

const align = (value: number, alignment: number): number =>
  Math.ceil(value / alignment) * alignment;

function setU64(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a field is a whole number below 2^53");
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
