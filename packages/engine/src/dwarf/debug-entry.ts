/** Debug entries: what debug information says of types, variables and functions. */
import type { DebugNumber } from "./attribute-form.ts";

/** One entry (DWARF 5, section 2.1) with the attributes that types and their users have. */
export interface DebugEntry {
  /** A DW_TAG number. */
  readonly tag: number;
  /** The entry around it; entries that are not read (blocks, calls) are left out in between. */
  readonly parent: DebugEntry | undefined;
  readonly children: readonly DebugEntry[];
  readonly name: string | undefined;
  /** DW_AT_type; undefined also means void. */
  readonly type: DebugEntry | undefined;
  /** DW_AT_abstract_origin, DW_AT_specification or DW_AT_signature: what it is an instance of. */
  readonly origin: DebugEntry | undefined;
  /** Only a declaration: a type without its content, a function or variable from elsewhere. */
  readonly declaration: boolean;
  readonly external: boolean;
  /** DW_AT_inline is there: an abstract instance, of which the copies are made. */
  readonly inlined: boolean;
  readonly byteSize: number | undefined;
  /** DW_AT_alignment: what the source asks for beyond the natural alignment. */
  readonly alignment: number | undefined;
  readonly bitSize: number | undefined;
  /** DW_AT_bit_offset of DWARF 4: from the high end of a storage unit of `byteSize`. */
  readonly bitOffset: number | undefined;
  readonly dataBitOffset: number | undefined;
  /** DW_AT_data_member_location in bytes; undefined where it is not a constant. */
  readonly memberLocation: number | undefined;
  /** A DW_ATE number. */
  readonly encoding: number | undefined;
  /** Elements of a dimension of an array, where they are a constant. */
  readonly count: number | undefined;
  readonly constValue: DebugNumber | undefined;
  /** The variable has a fixed address, or one for each thread. */
  readonly hasStaticPlace: boolean;
}
