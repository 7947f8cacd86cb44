import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { createReader } from "../bytes/reader.ts";
import { PT, SHT } from "../elf/constants.ts";
import { addressBytes, type ElfFile, loadedEnd, sectionByName, sectionBytes } from "../elf/file.ts";
import { createCallFrames, type LoadedBytes } from "./cfi.ts";
import { parseEhFrameHdr } from "./eh-frame-hdr.ts";

/** The unwind information of one file. */
export interface UnwindTables {
  readonly ehFrame: LoadedBytes;
  readonly ehFrameHdr?: LoadedBytes;
}

/**
 * Finds .eh_frame and .eh_frame_hdr by section or, in files and memory images without section
 * headers, through PT_GNU_EH_FRAME. Undefined where the file has no unwind information.
 */
export function unwindTables(elf: ElfFile): UnwindTables | undefined {
  const hdr = sectionContents(elf, ".eh_frame_hdr") ?? segmentContents(elf);
  const ehFrame = sectionContents(elf, ".eh_frame") ?? behindHdr(elf, hdr);
  if (ehFrame === undefined) return undefined;
  return { ehFrame, ...(hdr !== undefined && { ehFrameHdr: hdr }) };
}

/** A range of code that has unwind information: nearly always one function or a part of one. */
export interface FunctionRange {
  readonly start: FileAddr;
  readonly size: number;
}

/**
 * Every range of code that .eh_frame lists, in ascending order and each once, the PLT's included.
 *
 * For linked files: in ET_REL the ranges are not relocated yet. Empty without unwind information;
 * FormatError where it is damaged.
 */
export function functionRanges(elf: ElfFile): FunctionRange[] {
  const tables = unwindTables(elf);
  if (tables === undefined) return [];
  const ranges: FunctionRange[] = [];
  createCallFrames(tables.ehFrame).forEachFde(({ start, size }) => {
    if (size > 0) ranges.push({ start, size });
  });
  ranges.sort((a, b) => a.start - b.start || a.size - b.size);
  return ranges.filter(({ start, size }, index) => {
    const before = ranges[index - 1];
    return before === undefined || before.start !== start || before.size !== size;
  });
}

function sectionContents(elf: ElfFile, name: string): LoadedBytes | undefined {
  const section = sectionByName(elf, name);
  if (section === undefined || section.sh_type === SHT.SHT_NOBITS) return undefined;
  return { bytes: sectionBytes(elf, section), address: section.sh_addr };
}

function segmentContents(elf: ElfFile): LoadedBytes | undefined {
  const segment = elf.segments.find(({ p_type }) => p_type === PT.PT_GNU_EH_FRAME);
  if (segment === undefined) return undefined;
  const bytes = addressBytes(elf, segment.p_vaddr, segment.p_filesz);
  return bytes === undefined ? undefined : { bytes, address: segment.p_vaddr };
}

/** .eh_frame from the address that .eh_frame_hdr gives to its terminator. */
function behindHdr(elf: ElfFile, hdr: LoadedBytes | undefined): LoadedBytes | undefined {
  if (hdr === undefined || sectionByName(elf, ".eh_frame") !== undefined) return undefined;
  const address = ehFrameAddress(hdr);
  const end = address === undefined ? undefined : loadedEnd(elf, address);
  if (address === undefined || end === undefined) return undefined;
  const bytes = addressBytes(elf, address, end - address);
  if (bytes === undefined) return undefined;
  return { bytes: bytes.subarray(0, terminatorOffset(bytes)), address };
}

function ehFrameAddress(hdr: LoadedBytes): FileAddr | undefined {
  try {
    return fileAddr(parseEhFrameHdr(hdr).ehFrame);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Where the entry of length 0 stands that ends the section, or else the end of the bytes. */
function terminatorOffset(bytes: Uint8Array): number {
  const reader = createReader(bytes, ".eh_frame");
  let offset = 0;
  while (offset + 4 <= bytes.length) {
    const length = reader.u32(offset);
    if (length === 0) return offset;
    offset += 4 + length;
  }
  return Math.min(offset, bytes.length);
}
