/** Whether an address in one build means what another one means in another build. */
import { type ElfFile, fileAddr } from "../engine.ts";
import { bytesFrom } from "../image-bytes.ts";
import {
  functionAt,
  importAt,
  relativeRelocations,
  type Side,
  sectionAt,
} from "./build-functions.ts";

/** Tells why two addresses do not mean the same; undefined where they do. */
export type AddressMap = (theirs: number, ours: number) => string | undefined;

/**
 * Compares addresses of two builds; `twinOf` has for each of our functions the index of theirs.
 * What was found for an address is remembered: it must stand for the same one every time.
 */
export function createAddressMap(theirs: Side, ours: Side, twinOf: Int32Array): AddressMap {
  const twins = new Map<number, number>();
  for (const [index, { range }] of ours.functions.entries()) {
    const other = theirs.functions[twinOf[index] ?? -1];
    if (other !== undefined) twins.set(range.start, other.range.start);
  }
  const known = new Map<number, { readonly a: number; readonly detail: string | undefined }>();
  const constants = createConstants(theirs, ours, twins);
  return (a, b) => {
    const from = functionAt(ours, b);
    const to = functionAt(theirs, a);
    if (from !== undefined || to !== undefined) {
      const equal = from !== undefined && to !== undefined;
      const offsets = equal && a - to.start === b - from.start;
      return offsets && twins.get(from.start) === to.start
        ? undefined
        : "it calls another function";
    }
    const [imported, own] = [importAt(theirs, a), importAt(ours, b)];
    if (imported !== own)
      return `it uses ${imported ?? "something"} of another module, here ${own}`;
    const before = known.get(b);
    if (before !== undefined) return before.a === a ? before.detail : "it uses another variable";
    const detail = constants(a, b);
    known.set(b, { a, detail });
    return detail;
  };
}

/** Read-only bytes of one constant that are held to be equal, at most. */
const constantSizeMax = 4096;

/**
 * Compares read-only data: text up to its NUL, anything else up to the next address that code
 * uses, as bytes or as a table of jumps (offsets from itself, gcc's -fPIC form).
 */
function createConstants(theirs: Side, ours: Side, twins: ReadonlyMap<number, number>): AddressMap {
  const [usedA, usedB] = [usedAddresses(theirs), usedAddresses(ours)];
  return (a, b) => {
    const [sectionA, sectionB] = [sectionAt(theirs.image, a), sectionAt(ours.image, b)];
    if (sectionA?.name !== sectionB?.name) {
      return `it uses ${sectionA?.name ?? "an address in no section"}, here ${sectionB?.name}`;
    }
    if (sectionA === undefined || !/^\.rodata/.test(sectionA.name)) return undefined;
    const [textA, textB] = [textAt(theirs.image, a), textAt(ours.image, b)];
    if (textA !== undefined && textA === textB) return undefined;
    const ends = [endOf(sectionA) - a, endOf(sectionB ?? sectionA) - b];
    const size = Math.min(sizeUpTo(usedA, a), sizeUpTo(usedB, b), ...ends);
    const [bytesA, bytesB] = [bytesFrom(theirs.image, a, size), bytesFrom(ours.image, b, size)];
    if (bytesA === undefined || bytesB === undefined) return "it uses what is not in the file";
    if (Buffer.compare(bytesA, bytesB) === 0) return undefined;
    const isTable = jumpsAlike(
      { side: theirs, at: a, bytes: bytesA },
      { side: ours, at: b, bytes: bytesB },
      twins,
    );
    if (isTable) return undefined;
    return textA === undefined || textB === undefined
      ? `it uses another constant in ${sectionA.name}`
      : `it uses ${JSON.stringify(textA)}, here ${JSON.stringify(textB)}`;
  };
}

const endOf = ({ sh_addr, sh_size }: ElfFile["sections"][number]): number => sh_addr + sh_size;

const usedAddresses = ({ image, functions }: Side): readonly number[] => {
  const used = functions.flatMap(({ range, instructions }) =>
    instructions.flatMap(({ ipRelative }) =>
      ipRelative === undefined ? [] : [range.start + ipRelative],
    ),
  );
  const pointers = relativeRelocations(image).map(({ addend }) => addend);
  return [...new Set([...used, ...pointers])].sort((a, b) => a - b);
};

function sizeUpTo(used: readonly number[], address: number): number {
  let [low, high] = [0, used.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((used[middle] ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  return Math.min((used[low] ?? Number.POSITIVE_INFINITY) - address, constantSizeMax);
}

interface Table {
  readonly side: Side;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Whether the first entry leads into paired functions, and all entries that do lead there alike. */
function jumpsAlike(theirs: Table, ours: Table, twins: ReadonlyMap<number, number>): boolean {
  const [viewA, viewB] = [theirs, ours].map(
    ({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  );
  let entries = 0;
  for (let at = 0; at + 4 <= ours.bytes.length; at += 4) {
    const a = theirs.at + (viewA?.getInt32(at, true) ?? 0);
    const b = ours.at + (viewB?.getInt32(at, true) ?? 0);
    const [to, from] = [functionAt(theirs.side, a), functionAt(ours.side, b)];
    // Behind the table something else may begin that only data refers to.
    if (to === undefined && from === undefined) break;
    if (to === undefined || from === undefined || twins.get(from.start) !== to.start) return false;
    if (a - to.start !== b - from.start) return false;
    entries += 1;
  }
  return entries > 0;
}

/** The text at an address; undefined where it is none: a table's entries are relative to it. */
function textAt(image: ElfFile, address: number): string | undefined {
  const found = bytesFrom(image, fileAddr(address), constantSizeMax);
  const end = found?.indexOf(0) ?? -1;
  if (found === undefined || end < 1) return undefined;
  const text = Buffer.from(found.subarray(0, end)).toString("latin1");
  return /^[\t\n\r -~\x80-\xff]+$/.test(text) ? text : undefined;
}
