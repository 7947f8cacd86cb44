import { type FileAddr, type FileOffset, fileAddr, fileOffset } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { type ByteReader, createReader } from "../bytes/reader.ts";
import { EM_X86_64, PT, SHF, SHN, SHT, SIZE } from "./constants.ts";
import { createStringTable } from "./string-table.ts";

/** A parsed ELF64 file: its headers as values, its contents as views of `bytes`. */
export interface ElfFile {
  readonly bytes: Uint8Array;
  readonly e_type: number;
  readonly e_machine: number;
  readonly e_entry: FileAddr;
  /** Index 0 is the null section. Empty where the file has no section headers. */
  readonly sections: readonly Section[];
  readonly segments: readonly Segment[];
}

export interface Section {
  readonly index: number;
  readonly name: string;
  readonly sh_type: number;
  readonly sh_flags: number;
  readonly sh_addr: FileAddr;
  readonly sh_offset: FileOffset;
  readonly sh_size: number;
  readonly sh_link: number;
  readonly sh_info: number;
  readonly sh_addralign: number;
  readonly sh_entsize: number;
}

export interface Segment {
  readonly p_type: number;
  readonly p_flags: number;
  readonly p_offset: FileOffset;
  readonly p_vaddr: FileAddr;
  readonly p_filesz: number;
  readonly p_memsz: number;
  readonly p_align: number;
}

/**
 * The headers of an ELF64 little-endian x86-64 file (gABI chapters 4 and 5).
 *
 * Every section that has bytes lies within the file. Segments may not: separate debug files keep
 * the program headers of the file they were split from. Throws FormatError for another class,
 * byte order or machine, and for the extended numbering of more than 65279 sections.
 */
export function parseElf(bytes: Uint8Array): ElfFile {
  const reader = createReader(bytes, "ELF file");
  const header = parseHeader(reader);
  return {
    bytes,
    e_type: header.e_type,
    e_machine: header.e_machine,
    e_entry: header.e_entry,
    sections: parseSections(reader, header),
    segments: parseSegments(reader, header),
  };
}

/**
 * An ELF image as it stands in memory from its first page on, such as the vdso.
 *
 * Offsets of segments are made offsets into `bytes`; what lies beyond the bytes given is cut
 * off. Section headers are kept only where file and memory layout agree and the bytes hold them,
 * for otherwise their offsets mean nothing; then everything must be found through the segments.
 */
export function parseElfImage(bytes: Uint8Array): ElfFile {
  const reader = createReader(bytes, "ELF image");
  const header = parseHeader(reader);
  const onDisk = parseSegments(reader, header);
  const loads = onDisk.filter((segment) => segment.p_type === PT.PT_LOAD);
  const first = loads.reduce((low, { p_vaddr }) => Math.min(low, p_vaddr), Number.MAX_SAFE_INTEGER);
  const start = loads.length === 0 ? 0 : first;
  const sameLayout = loads.every(({ p_offset, p_vaddr }) => p_offset === p_vaddr - start);
  const segments = onDisk.map((segment) => {
    const offset = segment.p_vaddr - start;
    const room = Math.max(0, bytes.length - offset);
    const p_filesz = offset < 0 ? 0 : Math.min(segment.p_memsz, room);
    return { ...segment, p_offset: fileOffset(Math.max(0, offset)), p_filesz };
  });
  return {
    bytes,
    e_type: header.e_type,
    e_machine: header.e_machine,
    e_entry: header.e_entry,
    sections: sameLayout ? sectionsWithin(reader, header) : [],
    segments,
  };
}

function sectionsWithin(reader: ByteReader, header: Header): readonly Section[] {
  try {
    return parseSections(reader, header);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

/** The section's bytes as the file holds them: a view, empty for SHT_NOBITS and SHT_NULL. */
export function sectionBytes(elf: ElfFile, section: Section): Uint8Array {
  if (!hasBytes(section)) return elf.bytes.subarray(0, 0);
  return createReader(elf.bytes, `section ${section.name}`).bytes(
    section.sh_offset,
    section.sh_size,
  );
}

/** The first section of that name. */
export function sectionByName(elf: ElfFile, name: string): Section | undefined {
  return elf.sections.find((section) => section.name === name);
}

/**
 * The file's bytes for a range of addresses, through one PT_LOAD segment.
 *
 * Undefined where the range is not wholly in the file: zero-filled memory (.bss) counts as absent.
 */
export function addressBytes(
  elf: ElfFile,
  address: FileAddr,
  size: number,
): Uint8Array | undefined {
  if (!(size >= 0)) return undefined;
  for (const { p_type, p_vaddr, p_offset, p_filesz } of elf.segments) {
    if (p_type !== PT.PT_LOAD || address < p_vaddr) continue;
    const within = address - p_vaddr;
    if (within + size > p_filesz) continue;
    const start = p_offset + within;
    if (start + size <= elf.bytes.length) return elf.bytes.subarray(start, start + size);
  }
  return undefined;
}

/** The address up to which the file gives bytes for the PT_LOAD segment that holds `address`. */
export function loadedEnd(elf: ElfFile, address: FileAddr): FileAddr | undefined {
  for (const { p_type, p_vaddr, p_offset, p_filesz } of elf.segments) {
    if (p_type !== PT.PT_LOAD || address < p_vaddr || address >= p_vaddr + p_filesz) continue;
    const inFile = Math.min(p_filesz, elf.bytes.length - p_offset);
    if (address < p_vaddr + inFile) return fileAddr(p_vaddr + inFile);
  }
  return undefined;
}

interface Header {
  readonly e_type: number;
  readonly e_machine: number;
  readonly e_entry: FileAddr;
  readonly e_phoff: number;
  readonly e_phnum: number;
  readonly e_shoff: number;
  readonly e_shnum: number;
  readonly e_shstrndx: number;
}

function parseHeader(reader: ByteReader): Header {
  expect(reader.u32(0), { offset: 0, expected: 0x464c_457f, name: "magic bytes 7f 45 4c 46" });
  expect(reader.u8(4), { offset: 4, expected: 2, name: "ELFCLASS64" });
  expect(reader.u8(5), { offset: 5, expected: 1, name: "ELFDATA2LSB" });
  expect(reader.u8(6), { offset: 6, expected: 1, name: "EV_CURRENT" });
  const e_machine = reader.u16(18);
  expect(e_machine, { offset: 18, expected: EM_X86_64, name: "EM_X86_64" });
  const e_phnum = reader.u16(56);
  const e_shnum = reader.u16(60);
  const e_shoff = reader.u64(40);
  if (e_phnum > 0) expect(reader.u16(54), { offset: 54, expected: SIZE.phdr, name: "e_phentsize" });
  if (e_shnum > 0) expect(reader.u16(58), { offset: 58, expected: SIZE.shdr, name: "e_shentsize" });
  if (e_phnum === 0xffff || (e_shnum === 0 && e_shoff !== 0 && reader.u64(e_shoff + 32) !== 0)) {
    throw new FormatError({
      what: "ELF file",
      offset: 60,
      expected: "fewer than 65280 sections",
      found: "extended numbering",
    });
  }
  return {
    e_type: reader.u16(16),
    e_machine,
    e_entry: fileAddr(reader.u64(24)),
    e_phoff: reader.u64(32),
    e_phnum,
    e_shoff,
    e_shnum,
    e_shstrndx: reader.u16(62),
  };
}

function expect(
  found: number,
  { offset, expected, name }: { offset: number; expected: number; name: string },
): void {
  if (found !== expected) {
    throw new FormatError({ what: "ELF file", offset, expected: name, found: `${found}` });
  }
}

function parseSegments(reader: ByteReader, header: Header): readonly Segment[] {
  // Before anything is allocated for them, the headers must be in the file.
  reader.bytes(header.e_phnum === 0 ? 0 : header.e_phoff, header.e_phnum * SIZE.phdr);
  const segments: Segment[] = [];
  for (let index = 0; index < header.e_phnum; index++) {
    const at = header.e_phoff + index * SIZE.phdr;
    segments.push({
      p_type: reader.u32(at),
      p_flags: reader.u32(at + 4),
      p_offset: fileOffset(reader.u64(at + 8)),
      p_vaddr: fileAddr(reader.u64(at + 16)),
      p_filesz: reader.u64(at + 32),
      p_memsz: reader.u64(at + 40),
      p_align: reader.u64(at + 48),
    });
  }
  return segments;
}

function parseSections(reader: ByteReader, header: Header): readonly Section[] {
  const { e_shoff, e_shnum, e_shstrndx } = header;
  if (e_shnum === 0) return [];
  reader.bytes(e_shoff, e_shnum * SIZE.shdr);
  const names = parseSectionNames(reader, header);
  const sections: Section[] = [];
  for (let index = 0; index < e_shnum; index++) {
    const at = e_shoff + index * SIZE.shdr;
    const section: Section = {
      index,
      name: e_shstrndx === SHN.SHN_UNDEF ? "" : names(reader.u32(at)),
      sh_type: reader.u32(at + 4),
      sh_flags: reader.u64(at + 8),
      sh_addr: fileAddr(reader.u64(at + 16)),
      sh_offset: fileOffset(reader.u64(at + 24)),
      sh_size: reader.u64(at + 32),
      sh_link: reader.u32(at + 40),
      sh_info: reader.u32(at + 44),
      sh_addralign: reader.u64(at + 48),
      sh_entsize: reader.u64(at + 56),
    };
    if (hasBytes(section)) checkWithin(reader, section, at);
    sections.push(section);
  }
  return sections;
}

function parseSectionNames(reader: ByteReader, header: Header): (offset: number) => string {
  if (header.e_shstrndx === SHN.SHN_UNDEF) return () => "";
  if (header.e_shstrndx >= header.e_shnum) {
    throw new FormatError({
      what: "ELF file",
      offset: 62,
      expected: `e_shstrndx below ${header.e_shnum}`,
      found: `${header.e_shstrndx}`,
    });
  }
  const at = header.e_shoff + header.e_shstrndx * SIZE.shdr;
  const bytes = reader.bytes(reader.u64(at + 24), reader.u64(at + 32));
  return createStringTable(bytes, "section names");
}

function checkWithin(reader: ByteReader, section: Section, at: number): void {
  if (section.sh_offset + section.sh_size > reader.size) {
    throw new FormatError({
      what: `section ${section.name}`,
      offset: at + 24,
      expected: `bytes within the file's ${reader.size}`,
      found: `${section.sh_offset}+${section.sh_size}`,
    });
  }
}

const hasBytes = ({ sh_type }: Section): boolean =>
  sh_type !== SHT.SHT_NOBITS && sh_type !== SHT.SHT_NULL;

/** Whether the section is loaded into memory when the file runs. */
export const isAllocated = ({ sh_flags }: Section): boolean => hasFlag(sh_flags, SHF.SHF_ALLOC);

/** Whether all bits of `flag` are set; flags beyond 32 bits are not asked for. */
export const hasFlag = (flags: number, flag: number): boolean =>
  ((flags % 0x1_0000_0000) & flag) >>> 0 === flag;
