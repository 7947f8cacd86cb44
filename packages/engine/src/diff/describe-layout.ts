/** What differs between two layouts of a type, in one sentence. */
import type { DebugEntry } from "../dwarf/debug-info.ts";
import type { TypeComparison } from "./compare-types.ts";
import { membersOf, memberTypeText, type PlacedMember, placeText } from "./type-members.ts";
import { coreType, isAggregate, sizeOfType, typeText } from "./type-text.ts";

/**
 * Names the first member that differs and the sizes on both sides: `member ttl (long at byte 16)
 * is new; the type has 16 bytes before and 24 after`.
 */
export function describeLayoutChange(
  before: DebugEntry,
  after: DebugEntry,
  comparison: TypeComparison,
): string {
  const one = coreType(before).core;
  const other = coreType(after).core;
  const aggregates =
    one !== undefined && other !== undefined && isAggregate(one) && isAggregate(other);
  if (!aggregates) return `it is ${sized(before)} before and ${sized(after)} after`;
  const changes = memberChanges(one, other, comparison);
  const [first = `its alignment is ${other.alignment ?? "natural"} after`] = changes;
  const more = changes.length > 1 ? ` (and ${changes.length - 1} more)` : "";
  return `${first}${more}; ${sizesText(one, other)}`;
}

/** Members that come, go or change first, those that are only moved by them last. */
function memberChanges(
  before: DebugEntry,
  after: DebugEntry,
  comparison: TypeComparison,
): readonly string[] {
  const members = membersOf(before);
  const others = membersOf(after);
  const names = new Set(members.map(({ name }) => name));
  const twins = new Map(others.map((member) => [member.name, member]));
  const kept = members.flatMap((member): readonly (readonly [PlacedMember, PlacedMember])[] => {
    const twin = twins.get(member.name);
    return twin === undefined || comparison.sameMember(member, twin) ? [] : [[member, twin]];
  });
  const isRetyped = ([one, other]: readonly [PlacedMember, PlacedMember]): boolean =>
    one.bitSize !== other.bitSize || !comparison.sameType(one.type, other.type);
  return [
    ...others
      .filter(({ name }) => !names.has(name))
      .map((member) => `member ${whole(member)} is new`),
    ...members
      .filter(({ name }) => !twins.has(name))
      .map((member) => `member ${whole(member)} is gone`),
    ...kept.filter(isRetyped).map(([one, other]) => retypedText(one, other)),
    ...kept
      .filter((pair) => !isRetyped(pair))
      .map(([one, other]) => `member ${whole(one)} is ${placeText(other)} after`),
  ];
}

/** Two types may have one text, such as a struct whose own layout changed. */
function retypedText(one: PlacedMember, other: PlacedMember): string {
  const text = memberTypeText(other);
  const size = sizeOfType(other.type);
  if (text !== memberTypeText(one))
    return `member ${whole(one)} is ${text} ${placeText(other)} after`;
  return `member ${whole(one)}, ${sizeOfType(one.type) ?? "?"} bytes long, is another ${text} of ${size ?? "?"} bytes ${placeText(other)} after`;
}

const whole = (member: PlacedMember): string =>
  `${member.name} (${memberTypeText(member)} ${placeText(member)})`;

const sizesText = (one: DebugEntry, other: DebugEntry): string =>
  one.byteSize === other.byteSize
    ? `the type has ${one.byteSize ?? "?"} bytes before and after`
    : `the type has ${one.byteSize ?? "?"} bytes before and ${other.byteSize ?? "?"} after`;

function sized(type: DebugEntry): string {
  const size = sizeOfType(type);
  return size === undefined ? typeText(type) : `${typeText(type)} (${size} bytes)`;
}
