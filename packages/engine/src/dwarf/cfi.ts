/**
 * Call frame information: how each function of a file can be walked out of.
 *
 * The problem. A thread was stopped anywhere, and its stack is only words. Compilers write down,
 * for every instruction of every function, where the caller's registers are: the section
 * `.eh_frame`. As a table it would be enormous, so it is stored as programs that draw the table:
 *
 *     address   CFA       rbx     rbp     return address      (the table, one row an address)
 *     push rbp  rsp+8     same    same    [CFA-8]
 *     ...       rsp+16    same    [CFA-16][CFA-8]
 *
 * The CFA (canonical frame address) is what rsp was before the call pushed the return address:
 * one fixed point that all other rules count from, and the caller's rsp.
 *
 * Layout. `.eh_frame` is a sequence of entries, each a length and a body:
 *
 *     CIE:  length, 0, version, augmentation "zPLRS", alignment factors, return address column,
 *           augmentation data, initial instructions
 *     FDE:  length, distance back to its CIE, start, size, augmentation data, instructions
 *
 * A CIE (common information entry) holds what many functions share, an FDE (frame description
 * entry) describes one range of code. In the augmentation, R gives the encoding of start, L and P
 * exception handling (skipped), S marks a signal trampoline: the interrupted instruction is the
 * one at the pc exactly, not one before it.
 *
 * Approach. Entries are parsed one by one and only when asked for: finding the FDE of an address
 * goes through `.eh_frame_hdr` (eh-frame-hdr.ts), a scan of everything is for callers that want
 * all function ranges. A CIE is parsed once for all its FDEs. Running the programs is
 * frame-row.ts. Each scanning step moves forward by at least four bytes, so any bytes end.
 *
 * Why not DWARF's `.debug_frame`: it is not loaded and usually stripped. Why not frame pointers:
 * nothing on Debian 12 keeps them.
 *
 * Specification: LSB 5 Core, chapter 10.6; DWARF 5, section 6.4.
 */
import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { type ByteCursor, createCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import { DW_EH_PE, REGISTER } from "./constants.ts";
import { parsePointer, parsePointerValue } from "./pointer.ts";

/** The bytes of a loaded section and the address they have in the file. */
export interface LoadedBytes {
  readonly bytes: Uint8Array;
  readonly address: FileAddr;
}

/** A common information entry. */
export interface Cie {
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  /** How FDEs encode their start: a DW_EH_PE number. */
  readonly pointerEncoding: number;
  readonly hasAugmentationData: boolean;
  /** Describes a signal trampoline. */
  readonly signal: boolean;
  readonly instructions: InstructionRange;
}

/** A frame description entry: one range of code. */
export interface Fde {
  /** Offset of the entry in .eh_frame. */
  readonly offset: number;
  readonly cie: Cie;
  readonly start: FileAddr;
  readonly size: number;
  readonly instructions: InstructionRange;
}

/** Where in .eh_frame a program stands. */
export interface InstructionRange {
  readonly start: number;
  readonly end: number;
}

/** The entries of one .eh_frame section. */
export interface CallFrames {
  readonly section: LoadedBytes;
  /** The FDE at an offset of the section; FormatError where there is none. */
  fdeAt(offset: number): Fde;
  /** Every FDE in file order. A FormatError ends the scan after the entries before it. */
  forEachFde(visit: (fde: Fde) => void): void;
}

/** The entries of `section`, parsed when asked for. */
export function createCallFrames(section: LoadedBytes): CallFrames {
  const cursor = createCursor(section.bytes, ".eh_frame");
  const cies = new Map<number, Cie>();
  const cieAt = (offset: number): Cie => {
    const known = cies.get(offset);
    if (known !== undefined) return known;
    const cie = parseCie(cursor, offset, section.address);
    cies.set(offset, cie);
    return cie;
  };
  return {
    section,
    fdeAt(offset) {
      const fde = parseFde(cursor, { offset, header: parseHeader(cursor, offset), cieAt, section });
      if (fde !== undefined) return fde;
      throw problem(offset, "a frame description entry", "a common information entry");
    },
    forEachFde(visit) {
      let offset = 0;
      while (offset + 4 <= section.bytes.length) {
        const header = parseHeader(cursor, offset);
        const fde = parseFde(cursor, { offset, header, cieAt, section });
        if (fde !== undefined) visit(fde);
        offset = header.end;
      }
    },
  };
}

interface EntryHeader {
  /** Offset of the CIE pointer field, and its value: 0 in a CIE. */
  readonly idOffset: number;
  readonly id: number;
  /** Offset of the next entry. */
  readonly end: number;
}

/** The length and the CIE pointer. A length of 0 ends the table of one input file: no body. */
function parseHeader(cursor: ByteCursor, offset: number): EntryHeader {
  cursor.seek(offset);
  const length = cursor.u32();
  const idOffset = offset + 4;
  if (length === 0) return { idOffset, id: 0, end: idOffset };
  if (length >= 0xffff_fff0) throw problem(offset, "a 32-bit length", "a 64-bit entry");
  if (length < 4) throw problem(offset, "a length of at least 4", `${length}`);
  cursor.seek(idOffset, idOffset + length);
  return { idOffset, id: cursor.u32(), end: idOffset + length };
}

/** The FDE behind the header, or nothing where it heads a CIE or a terminator. */
function parseFde(
  cursor: ByteCursor,
  at: {
    offset: number;
    header: EntryHeader;
    cieAt: (offset: number) => Cie;
    section: LoadedBytes;
  },
): Fde | undefined {
  const { idOffset, id, end } = at.header;
  if (id === 0) return undefined;
  const cieOffset = idOffset - id;
  if (cieOffset < 0) throw problem(idOffset, "a CIE before the FDE", `a distance of ${id}`);
  const cie = at.cieAt(cieOffset);
  cursor.seek(idOffset + 4, end);
  const start = parsePointer(cursor, cie.pointerEncoding, { sectionAddress: at.section.address });
  const size = parsePointerValue(cursor, cie.pointerEncoding & 0x07);
  if (cie.hasAugmentationData) cursor.bytes(cursor.uleb());
  return { offset: at.offset, cie, start, size, instructions: { start: cursor.offset, end } };
}

function parseCie(cursor: ByteCursor, offset: number, sectionAddress: FileAddr): Cie {
  const header = parseHeader(cursor, offset);
  if (header.id !== 0 || header.end === header.idOffset) {
    throw problem(offset, "a common information entry", "another entry");
  }
  cursor.seek(header.idOffset + 4, header.end);
  const version = cursor.u8();
  if (version !== 1 && version !== 3) throw problem(offset, "CIE version 1 or 3", `${version}`);
  const augmentation = cursor.cstring();
  const codeAlignment = cursor.uleb();
  const dataAlignment = cursor.sleb();
  const returnColumn = version === 1 ? cursor.u8() : cursor.uleb();
  if (returnColumn !== REGISTER.rip) {
    throw problem(offset, "return address column 16", `${returnColumn}`);
  }
  const data = parseAugmentation(cursor, augmentation, sectionAddress);
  return {
    codeAlignment,
    dataAlignment,
    hasAugmentationData: augmentation.startsWith("z"),
    ...data,
    instructions: { start: cursor.offset, end: header.end },
  };
}

/** Reads the augmentation data and leaves the cursor behind it. */
function parseAugmentation(
  cursor: ByteCursor,
  augmentation: string,
  sectionAddress: FileAddr,
): { pointerEncoding: number; signal: boolean } {
  let pointerEncoding: number = DW_EH_PE.DW_EH_PE_absptr;
  let signal = false;
  if (augmentation === "") return { pointerEncoding, signal };
  const size = augmentation.startsWith("z") ? cursor.uleb() : -1;
  const dataEnd = cursor.offset + size;
  // An unknown letter may change everything behind it, the encoding of addresses included.
  if (size < 0 || dataEnd > cursor.end || !/^z[LPRS]*$/.test(augmentation)) {
    throw problem(cursor.offset, "an augmentation of z, L, P, R, S", JSON.stringify(augmentation));
  }
  for (const letter of augmentation.slice(1)) {
    if (letter === "S") signal = true;
    if (letter === "L") cursor.u8();
    if (letter === "R") pointerEncoding = cursor.u8();
    if (letter === "P") parsePersonality(cursor, sectionAddress);
  }
  cursor.bytes(dataEnd - cursor.offset);
  return { pointerEncoding, signal };
}

/** The personality routine is for exceptions: only its size matters. */
function parsePersonality(cursor: ByteCursor, sectionAddress: FileAddr): void {
  const encoding = cursor.u8();
  if (encoding === DW_EH_PE.DW_EH_PE_omit) return;
  if (encoding === DW_EH_PE.DW_EH_PE_aligned) {
    const address = sectionAddress + cursor.offset;
    cursor.bytes(Math.ceil(address / 8) * 8 - address);
    cursor.bytes(8);
    return;
  }
  parsePointerValue(cursor, encoding);
}

/** The end of the range of code that the FDE describes. */
export const fdeEnd = ({ start, size }: Fde): FileAddr => fileAddr(start + size);

const problem = (offset: number, expected: string, found: string): FormatError =>
  new FormatError({ what: ".eh_frame", offset, expected, found });
