/** A debug entry while it is read: its attributes are put in one by one. */
import type { AttributeValue, DebugNumber } from "./attribute-form.ts";
import { DW_AT } from "./debug-constants.ts";
import type { DebugEntry } from "./debug-entry.ts";
import type { StringReader } from "./debug-string.ts";
import type { DebugUnit } from "./debug-unit.ts";

/** Takes the readonly marks off, and adds what references go by until all entries are known. */
export type EntryDraft = {
  -readonly [Key in Exclude<
    keyof DebugEntry,
    "children" | "parent" | "type" | "origin"
  >]: DebugEntry[Key];
} & {
  readonly children: EntryDraft[];
  readonly parent: EntryDraft | undefined;
  type: EntryDraft | undefined;
  origin: EntryDraft | undefined;
  typeKey: number | string | undefined;
  originKey: number | string | undefined;
};

export const createDraft = (tag: number, parent: EntryDraft | undefined): EntryDraft => ({
  tag,
  parent,
  children: [],
  name: undefined,
  type: undefined,
  origin: undefined,
  declaration: false,
  external: false,
  inlined: false,
  byteSize: undefined,
  alignment: undefined,
  bitSize: undefined,
  bitOffset: undefined,
  dataBitOffset: undefined,
  memberLocation: undefined,
  encoding: undefined,
  count: undefined,
  constValue: undefined,
  hasStaticPlace: false,
  typeKey: undefined,
  originKey: undefined,
});

/** Puts an attribute into the draft; those that nobody asks for change nothing. */
export function setAttribute(
  draft: EntryDraft,
  name: number,
  {
    value,
    unit,
    strings,
  }: {
    readonly value: AttributeValue;
    readonly unit: DebugUnit;
    readonly strings: StringReader;
  },
): void {
  switch (name) {
    case DW_AT.DW_AT_name:
      // A unit's own name may come before the base that its index needs; nobody asks for it.
      if (draft.parent !== undefined) draft.name = strings.textOf(value, unit);
      break;
    case DW_AT.DW_AT_type:
      draft.typeKey = keyOf(value, unit);
      break;
    case DW_AT.DW_AT_abstract_origin:
    case DW_AT.DW_AT_specification:
    case DW_AT.DW_AT_signature:
      draft.originKey = keyOf(value, unit);
      break;
    case DW_AT.DW_AT_declaration:
      draft.declaration = flagOf(value);
      break;
    case DW_AT.DW_AT_external:
      draft.external = flagOf(value);
      break;
    case DW_AT.DW_AT_inline:
      draft.inlined = true;
      break;
    case DW_AT.DW_AT_location:
      draft.hasStaticPlace = value.kind === "bytes" && isFixedPlace(value.bytes);
      break;
    default:
      setNumber(draft, name, value);
  }
}

function setNumber(draft: EntryDraft, name: number, value: AttributeValue): void {
  const number = value.kind === "number" ? Number(value.value) : undefined;
  switch (name) {
    case DW_AT.DW_AT_byte_size:
      draft.byteSize = number;
      break;
    case DW_AT.DW_AT_alignment:
      draft.alignment = number;
      break;
    case DW_AT.DW_AT_bit_size:
      draft.bitSize = number;
      break;
    case DW_AT.DW_AT_bit_offset:
      draft.bitOffset = number;
      break;
    case DW_AT.DW_AT_data_bit_offset:
      draft.dataBitOffset = number;
      break;
    case DW_AT.DW_AT_encoding:
      draft.encoding = number;
      break;
    case DW_AT.DW_AT_count:
      draft.count = number;
      break;
    case DW_AT.DW_AT_upper_bound:
      draft.count = value.kind === "number" ? Number(countOf(value.value)) : undefined;
      break;
    case DW_AT.DW_AT_const_value:
      draft.constValue = value.kind === "number" ? value.value : undefined;
      break;
    case DW_AT.DW_AT_data_member_location:
      draft.memberLocation = number ?? (value.kind === "bytes" ? constantOf(value.bytes) : number);
      break;
    default:
      break;
  }
}

/** gcc 4 wrote -1 as the upper bound of an array without elements. */
const countOf = (upperBound: DebugNumber): DebugNumber => {
  const count = BigInt.asIntN(64, BigInt(upperBound)) + 1n;
  return count === 2n ** 32n ? 0 : Number(count);
};

const flagOf = (value: AttributeValue): boolean => value.kind !== "number" || value.value !== 0;

function keyOf(value: AttributeValue, unit: DebugUnit): number | string | undefined {
  const section = unit.ordinal * 2 ** 40;
  switch (value.kind) {
    case "in-unit":
      return section + unit.start + value.offset;
    case "in-section":
      return section + value.offset;
    case "signature":
      return `${value.signature}`;
    default:
      return undefined;
  }
}

/** Operations that a location at an address, or at a place for each thread, begins with. */
const DW_OP_FIXED: ReadonlySet<number> = new Set([
  0x03, // DW_OP_addr
  0x0c, // DW_OP_const4u, of a thread-local variable
  0x0e, // DW_OP_const8u, of a thread-local variable
  0xa1, // DW_OP_addrx
  0xa2, // DW_OP_constx
  0xfb, // DW_OP_GNU_addr_index
  0xfc, // DW_OP_GNU_const_index
]);

const isFixedPlace = (expression: Uint8Array): boolean => DW_OP_FIXED.has(expression[0] ?? 0);

const DW_OP_PLUS_UCONST = 0x23;

/** The number in `DW_OP_plus_uconst N`, as DWARF 2 wrote the place of a member. */
function constantOf(expression: Uint8Array): number | undefined {
  if (expression[0] !== DW_OP_PLUS_UCONST) return undefined;
  let value = 0;
  for (const [index, byte] of expression.subarray(1, 6).entries()) {
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return value;
  }
  return undefined;
}
