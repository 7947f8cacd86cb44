import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { createCursor } from "../bytes/cursor.ts";
import { createReader } from "../bytes/reader.ts";
import type { LoadedBytes } from "./cfi.ts";
import { DW_EH_PE } from "./constants.ts";
import { parsePointer } from "./pointer.ts";

/** The linker's sorted table of FDEs (LSB 10.6.2), of which only the header was read. */
export interface EhFrameHdr {
  /** Where .eh_frame is. */
  readonly ehFrame: FileAddr;
  /** Absent where the linker wrote no table that can be searched, or the section is cut short. */
  readonly table?: FdeTable;
}

export interface FdeTable {
  readonly count: number;
  /**
   * The address of the FDE that begins last at or before `address`; whether it reaches so far
   * only the FDE says. Undefined before the first.
   */
  find(address: FileAddr): FileAddr | undefined;
}

const ENTRY_SIZE = 8;
const TABLE_ENCODING = DW_EH_PE.DW_EH_PE_datarel | DW_EH_PE.DW_EH_PE_sdata4;

/** The header of .eh_frame_hdr; FormatError where even that is not readable. */
export function parseEhFrameHdr(section: LoadedBytes): EhFrameHdr {
  const what = ".eh_frame_hdr";
  const reader = createReader(section.bytes, what);
  const cursor = createCursor(section.bytes, what);
  const base = { sectionAddress: section.address, dataAddress: section.address };
  const [version, frameEncoding] = [reader.u8(0), reader.u8(1)];
  const [countEncoding, tableEncoding] = [reader.u8(2), reader.u8(3)];
  cursor.seek(4);
  const ehFrame = parsePointer(cursor, frameEncoding, base);
  if (version !== 1 || countEncoding === DW_EH_PE.DW_EH_PE_omit) return { ehFrame };
  const count = parsePointer(cursor, countEncoding, base);
  const tableAt = cursor.offset;
  const fits = tableAt + count * ENTRY_SIZE <= section.bytes.length;
  if (tableEncoding !== TABLE_ENCODING || !fits) return { ehFrame };
  return {
    ehFrame,
    table: {
      count,
      find(address) {
        // Entries are pairs of signed words relative to the section: start of code, FDE.
        const wanted: number = address - section.address;
        let low = 0;
        let high: number = count;
        while (low < high) {
          const middle = (low + high) >>> 1;
          if (reader.i32(tableAt + middle * ENTRY_SIZE) <= wanted) low = middle + 1;
          else high = middle;
        }
        if (low === 0) return undefined;
        return fileAddr(section.address + reader.i32(tableAt + (low - 1) * ENTRY_SIZE + 4));
      },
    },
  };
}
