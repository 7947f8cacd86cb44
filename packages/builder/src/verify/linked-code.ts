/**
 * Is the new code in the process the hotpatch object's, rightly linked?
 *
 * The linker's work is checked backwards. A function's bytes have to be those of its section but
 * for the fields that relocations fill. Such a field says, with its formula turned round, what
 * address its symbol was taken for:
 *
 *     formula   field = S + A - P        turned round   S = field + P - A
 *
 * For a symbol of the process that address is known (its module's bias and the patch description).
 * For a symbol of the object it tells where the symbol's section stands; all who refer to the
 * section have to agree on that, and the section is compared in its turn. So the walk begins at the
 * replaced functions and reaches whatever they can reach.
 *
 * Calls may go through a stub (`jmp *slot(%rip)`), and addresses of replaced functions are those of
 * their old entries; docs/patch-format.md says why.
 */
import {
  type ElfSymbol,
  formatAddress,
  type Hotpatch,
  R_X86_64 as R,
  relocationsOf,
  SHF,
  SHN,
  SHT,
  STB,
  sectionBytes,
} from "../engine.ts";
import type { IsSymbolAt } from "./library-symbols.ts";
import type { MappedModule, MappedRange, MemoryReader } from "./process-view.ts";

export interface LinkedCode {
  /** Says where a section of the object stands; gives what contradicts that, or undefined. */
  readonly place: (section: number, address: number) => string | undefined;
  /** Compares all that was placed, and what it leads to; gives the first difference. */
  readonly compare: () => { readonly name: string; readonly detail: string } | undefined;
  readonly sizeOf: (section: number) => number;
}

interface LinkRequest {
  readonly hotpatch: Hotpatch;
  readonly module: MappedModule;
  readonly ranges: readonly MappedRange[];
  readonly memory: MemoryReader;
  /** The hotpatch's own memory. */
  readonly own: readonly MappedRange[];
  readonly symbols: readonly ElfSymbol[];
  readonly isSymbolAt: IsSymbolAt;
}

/** What a field holds, by relocation type (psABI table 4.9). Others hold nothing to compare. */
const FIELDS: ReadonlyMap<number, { readonly size: 4 | 8; readonly holds: Holding }> = new Map([
  [R.R_X86_64_64, { size: 8, holds: "address" }],
  [R.R_X86_64_32, { size: 4, holds: "address" }],
  [R.R_X86_64_32S, { size: 4, holds: "address" }],
  [R.R_X86_64_PC32, { size: 4, holds: "distance" }],
  [R.R_X86_64_PLT32, { size: 4, holds: "distance" }],
  [R.R_X86_64_PC64, { size: 8, holds: "distance" }],
  [R.R_X86_64_GOTPCREL, { size: 4, holds: "slot" }],
  [R.R_X86_64_GOTPCRELX, { size: 4, holds: "slot" }],
  [R.R_X86_64_REX_GOTPCRELX, { size: 4, holds: "slot" }],
  [R.R_X86_64_TPOFF32, { size: 4, holds: "other" }],
  [R.R_X86_64_DTPOFF32, { size: 4, holds: "other" }],
  [R.R_X86_64_GOTTPOFF, { size: 4, holds: "other" }],
  [R.R_X86_64_TLSGD, { size: 4, holds: "other" }],
  [R.R_X86_64_TLSLD, { size: 4, holds: "other" }],
  [R.R_X86_64_GOTPC32, { size: 4, holds: "other" }],
  [R.R_X86_64_SIZE32, { size: 4, holds: "other" }],
  [R.R_X86_64_GOTOFF64, { size: 8, holds: "other" }],
  [R.R_X86_64_GOTPC64, { size: 8, holds: "other" }],
  [R.R_X86_64_PLTOFF64, { size: 8, holds: "other" }],
  [R.R_X86_64_SIZE64, { size: 8, holds: "other" }],
]);
type Holding = "address" | "distance" | "slot" | "other";

const JMP_SLOT = "ff25";
const ENDBR64 = "f30f1efa";

/** Prepares the comparison of one hotpatch in one process. */
export function createLinkedCode(request: LinkRequest): LinkedCode {
  const { object } = request.hotpatch;
  const places = new Map<number, number>();
  const place = (section: number, address: number): string | undefined => {
    const before = places.get(section);
    if (before === address) return undefined;
    const name = object.sections[section]?.name ?? `section ${section}`;
    if (before !== undefined) {
      return `${name} is taken to stand at ${formatAddress(before)} and at ${formatAddress(address)}`;
    }
    places.set(section, address);
    return undefined;
  };
  return {
    place,
    compare: () => {
      const view = { ...request, place, originals: findOriginals(request) };
      // The map grows while it is walked: iteration reaches what is added.
      for (const [section, address] of places) {
        const detail = compareSection(view, section, address);
        if (detail !== undefined) return { name: object.sections[section]?.name ?? "", detail };
      }
      return undefined;
    },
    sizeOf: (section) => object.sections[section]?.sh_size ?? 0,
  };
}

interface View extends LinkRequest {
  readonly place: LinkedCode["place"];
  /** Old entries of replaced functions, by the place of the replacement in the object. */
  readonly originals: ReadonlyMap<string, number>;
}

const placeKey = (section: number, offset: number): string => `${section} ${offset}`;

function findOriginals({ hotpatch, module, symbols }: LinkRequest): ReadonlyMap<string, number> {
  return new Map(
    hotpatch.description.functions.flatMap(({ replacement, address }) =>
      symbols
        .filter(({ name, st_shndx }) => name === replacement && st_shndx !== SHN.SHN_UNDEF)
        .map(({ st_shndx, st_value }) => [placeKey(st_shndx, st_value), address + module.bias]),
    ),
  );
}

function compareSection(view: View, index: number, address: number): string | undefined {
  const { object } = view.hotpatch;
  const section = object.sections[index];
  if (section === undefined) return "the object has no such section";
  const { sh_flags, sh_size, sh_type } = section;
  const inside = view.own.find(({ start, end }) => start <= address && address + sh_size <= end);
  if (inside === undefined) return `${formatAddress(address)} is not in the hotpatch's memory`;
  const executable = (sh_flags & SHF.SHF_EXECINSTR) !== 0;
  if (executable !== (inside.permissions === "r-xp")) return `it is mapped ${inside.permissions}`;
  // What the new code writes may differ by now, and what is zero at first has no bytes.
  if (inside.permissions[1] === "w" || sh_type === SHT.SHT_NOBITS) return undefined;
  const found = view.memory.read(address, sh_size);
  if (found === undefined) return `${formatAddress(address)} cannot be read`;
  const expected = Buffer.from(sectionBytes(object, section));
  const plain = Buffer.from(found);
  for (const relocation of relocationsOf(object, section)) {
    const { r_offset, type, symbolIndex, r_addend } = relocation;
    if (type === R.R_X86_64_NONE) continue;
    const field = FIELDS.get(type);
    if (field === undefined) return `relocation type ${type} at ${r_offset} is not known here`;
    const symbol = view.symbols[symbolIndex];
    if (symbol === undefined || r_offset + field.size > sh_size) return "a relocation is damaged";
    const detail = compareField(
      view,
      { symbol, r_addend, executable, ...field },
      {
        value: readField(found, r_offset, field.size),
        address: address + r_offset,
      },
    );
    if (detail !== undefined) return `${detail} (at offset ${r_offset})`;
    plain.fill(0, r_offset, r_offset + field.size);
    expected.fill(0, r_offset, r_offset + field.size);
  }
  if (plain.equals(expected)) return undefined;
  const offset = plain.findIndex((byte, at) => byte !== expected[at]);
  return `its bytes at ${formatAddress(address + offset)} are not those of the object`;
}

const readField = (bytes: Buffer, offset: number, size: 4 | 8): number =>
  size === 4 ? bytes.readInt32LE(offset) : Number(bytes.readBigInt64LE(offset));

interface Reference {
  readonly symbol: ElfSymbol;
  readonly r_addend: number;
  readonly holds: Holding;
  readonly executable: boolean;
  readonly size: 4 | 8;
}

/** What is wrong with a field, or undefined. */
function compareField(
  view: View,
  { symbol, r_addend, holds, executable, size }: Reference,
  field: { readonly value: number; readonly address: number },
): string | undefined {
  if (holds === "other") return undefined;
  const relative = holds !== "address";
  const taken = field.value - r_addend + (relative ? field.address : 0);
  if (holds === "slot") {
    const slot = readSlot(view, taken);
    return slot === undefined
      ? `no slot stands at ${formatAddress(taken)}`
      : compareValue(view, symbol, { value: slot, offset: 0 });
  }
  // In code a distance counts from the end of the field: that is what it refers to.
  const offset = r_addend + (relative && executable && size === 4 ? 4 : 0);
  return compareValue(view, symbol, { value: taken, offset, mayBeStub: relative && executable });
}

/** Whether `symbol`, to which `offset` was added, may stand at `value`. */
function compareValue(
  view: View,
  symbol: ElfSymbol,
  taken: { readonly value: number; readonly offset: number; readonly mayBeStub?: boolean },
): string | undefined {
  const { st_shndx, st_value } = symbol;
  if (st_shndx === SHN.SHN_UNDEF) return compareForeign(view, symbol, taken);
  if (st_shndx === SHN.SHN_ABS) return undefined;
  if (st_shndx === SHN.SHN_COMMON) {
    return isOwn(view, taken.value) ? undefined : `${symbol.name} is not in the hotpatch's memory`;
  }
  const original = view.originals.get(placeKey(st_shndx, st_value + taken.offset));
  if (original !== undefined && taken.value + taken.offset === original) return undefined;
  return view.place(st_shndx, taken.value - st_value);
}

/** The same for a symbol of the process. */
function compareForeign(
  view: View,
  symbol: ElfSymbol,
  { value, mayBeStub }: { readonly value: number; readonly mayBeStub?: boolean },
): string | undefined {
  const address = (mayBeStub && isOwn(view, value) && behindStub(view, value)) || value;
  const reference = view.hotpatch.description.references.find((one) => one.symbol === symbol.name);
  if (reference?.kind === "module") {
    const expected = reference.address + view.module.bias;
    if (address === expected) return undefined;
    const places = `${formatAddress(address)}, not for ${formatAddress(expected)}`;
    return `${symbol.name} is taken for ${places}`;
  }
  if (reference?.kind === "module-tls" || symbol.name === "_GLOBAL_OFFSET_TABLE_") return undefined;
  if (address === 0 && symbol.binding === STB.STB_WEAK) return undefined;
  const mapped = view.ranges.some(({ start, end }) => start <= address && address < end);
  if (!mapped || isOwn(view, address)) {
    return `${symbol.name} is taken for ${formatAddress(address)}, where nothing of the process is`;
  }
  if (reference === undefined || view.isSymbolAt(reference.name, address)) return undefined;
  return `${symbol.name} is taken for ${formatAddress(address)}, where no such symbol stands`;
}

const isOwn = ({ own }: View, address: number): boolean =>
  own.some(({ start, end }) => start <= address && address < end);

/** The function that a stub of the hotpatch leads to. */
function behindStub(view: View, address: number): number | undefined {
  const bytes = view.memory.read(address, 10) ?? view.memory.read(address, 6);
  const skip = bytes?.toString("hex", 0, 4) === ENDBR64 ? 4 : 0;
  if (bytes?.toString("hex", skip, skip + 2) !== JMP_SLOT || bytes.length < skip + 6)
    return undefined;
  return readSlot(view, address + skip + 6 + bytes.readInt32LE(skip + 2));
}

/** The address in a slot of the hotpatch's read-only memory. */
function readSlot(view: View, address: number): number | undefined {
  const range = view.own.find(({ start, end }) => start <= address && address + 8 <= end);
  if (range === undefined || range.permissions !== "r--p") return undefined;
  const bytes = view.memory.read(address, 8);
  return bytes && Number(bytes.readBigUInt64LE());
}
