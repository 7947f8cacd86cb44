/** The members of a struct, union or class, and where each lies. */
import { FormatError } from "../bytes/format-error.ts";
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry } from "../dwarf/debug-info.ts";
import { MEMBERS_MAX, TYPE_DEPTH_MAX } from "./limits.ts";
import { coreType, isAggregate, sizeOfType, typeText } from "./type-text.ts";

export interface PlacedMember {
  readonly name: string;
  /** From the start of the aggregate, in bits. */
  readonly bits: number;
  /** Of a bit field. */
  readonly bitSize: number | undefined;
  readonly type: DebugEntry | undefined;
}

/**
 * The members by their place. Members of anonymous structs and unions count as the outer type's
 * own, which is how C names them, at their place in it.
 *
 * Throws FormatError for more than MEMBERS_MAX.
 */
export function membersOf(aggregate: DebugEntry): readonly PlacedMember[] {
  const members: PlacedMember[] = [];
  collectMembers(aggregate, { members, bits: 0, depth: 0 });
  return members;
}

interface Collecting {
  readonly members: PlacedMember[];
  readonly bits: number;
  readonly depth: number;
}

function collectMembers(aggregate: DebugEntry, { members, bits, depth }: Collecting): void {
  for (const child of aggregate.children) {
    const isBase = child.tag === DW_TAG.DW_TAG_inheritance;
    // A static member of a C++ class has no place in its objects.
    if (!isBase && (child.tag !== DW_TAG.DW_TAG_member || child.external)) continue;
    const { core } = coreType(child.type);
    const place = bits + placeOf(child);
    const isTransparent = child.name === undefined && !isBase && depth < TYPE_DEPTH_MAX;
    if (isTransparent && core !== undefined && isAggregate(core)) {
      collectMembers(core, { members, bits: place, depth: depth + 1 });
      continue;
    }
    const name = child.name ?? (isBase ? `base ${typeText(child.type)}` : "(unnamed)");
    members.push({ name, bits: place, bitSize: child.bitSize, type: child.type });
    if (members.length > MEMBERS_MAX) {
      throw new FormatError({
        what: ".debug_info",
        offset: 0,
        expected: `at most ${MEMBERS_MAX} members of a type`,
        found: "more",
      });
    }
  }
}

/** The place of a member in bits, in the terms of DWARF 5 or of DWARF 4 (both section 5.7.6). */
function placeOf(member: DebugEntry): number {
  const { dataBitOffset, memberLocation = 0, bitOffset, bitSize = 0 } = member;
  if (dataBitOffset !== undefined) return dataBitOffset;
  if (bitOffset === undefined) return memberLocation * 8;
  // Counted from the most significant bit of the storage unit, which is its last byte here.
  const storage = (member.byteSize ?? sizeOfType(member.type) ?? 0) * 8;
  return memberLocation * 8 + storage - bitOffset - bitSize;
}

/** `at byte 8`, or `at byte 8, bit 3` for a bit field. */
export function placeText({ bits, bitSize }: PlacedMember): string {
  const byte = Math.floor(bits / 8);
  return bitSize === undefined ? `at byte ${byte}` : `at byte ${byte}, bit ${bits - byte * 8}`;
}

/** `int` or `unsigned int : 3`. */
export const memberTypeText = ({ type, bitSize }: PlacedMember): string =>
  bitSize === undefined ? typeText(type) : `${typeText(type)} : ${bitSize}`;
