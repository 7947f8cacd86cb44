/**
 * How far two builds of one program are the same: the one that ships and the one made here.
 *
 * An equal Build-ID settles it. Else equal loaded sections do, and where these differ, functions
 * are compared one by one. One longer string moves all that stands behind it, and with it every
 * address in the code:
 *
 *     ships   lea 0xa4ca2(%rip),%rdi   # "nginx/1.22.1"      call 24a60
 *     here    lea 0xa4cba(%rip),%rdi   # "nginx/1.22.1"      call 24a70
 *
 * So functions are paired in their order by their code without those addresses, and then each
 * pair of addresses is held against what is there: the same import, paired functions, equal
 * constants, or variables of sections with one name; and one address must always stand for the
 * same other one. The ranges of functions come from the unwind information, which strip keeps.
 */
import {
  buildId,
  type ElfFile,
  type FunctionRange,
  SHT,
  STT,
  sectionBytes,
  symbolTable,
} from "../engine.ts";
import { alignLines } from "../line-diff.ts";
import {
  type FunctionCode,
  isLoaded,
  readSide,
  relativeRelocations,
  type Side,
  sectionAt,
} from "./build-functions.ts";
import { type AddressMap, createAddressMap } from "./same-address.ts";

export interface BuildComparison {
  /** The strongest that holds; undefined where there are `differences`. */
  readonly proof: "identical-build-id" | "identical-sections" | "matching-functions" | undefined;
  /** The loaded sections that differ, the Build-ID's own left out. */
  readonly sections: readonly Difference[];
  /** Functions and data that differ in more than the addresses of what moved. */
  readonly differences: readonly Difference[];
  /** How many functions were compared; 0 where the sections settle it. */
  readonly compared: number;
}

export interface Difference {
  /** A section, or a function: by its address in the build made here where it has no name. */
  readonly name: string;
  readonly detail: string;
}

/** What is said of a section with the same address and size. */
export const contentDiffers = "its content differs";

/**
 * Compares the shipped file with the one made here; `named` is a file of the same layout as the
 * latter that has a symbol table. Throws FormatError for files that are damaged.
 */
export function compareBuilds(
  shipped: ElfFile,
  rebuilt: ElfFile,
  named: ElfFile = rebuilt,
): BuildComparison {
  const id = buildId(shipped);
  const settled = { sections: [], differences: [], compared: 0 };
  if (id !== undefined && id === buildId(rebuilt))
    return { proof: "identical-build-id", ...settled };
  const sections = differingSections(shipped, rebuilt);
  if (sections.length === 0) return { proof: "identical-sections", ...settled };
  const names = functionNames(named);
  const nameOf = ({ start }: FunctionRange): string => names.get(start) ?? hex(start);
  const [ours, theirs] = [readSide(rebuilt), readSide(shipped)];
  const pairs = pairFunctions(theirs, ours);
  const same = createAddressMap(theirs, ours, pairs.twins);
  const functions = comparePairs({ theirs, ours, pairs }, same);
  const differences = [
    ...functions.map(({ range, detail }) => ({ name: nameOf(range), detail })),
    ...(pairs.missing > 0
      ? [{ name: "functions", detail: `${pairs.missing} of the shipped file are not in this one` }]
      : []),
    ...compareVariables(shipped, rebuilt),
    ...comparePointers(shipped, rebuilt, same),
  ];
  const compared = ours.functions.length;
  const holds = compared > 0 && differences.length === 0;
  return { proof: holds ? "matching-functions" : undefined, sections, differences, compared };
}

const hex = (address: number): string => `0x${address.toString(16)}`;

function differingSections(shipped: ElfFile, rebuilt: ElfFile): readonly Difference[] {
  const others = new Map(
    rebuilt.sections.filter(isLoaded).map((section) => [section.name, section]),
  );
  const found = shipped.sections.filter(isLoaded).flatMap((section) => {
    const { name } = section;
    const other = others.get(name);
    others.delete(name);
    if (other === undefined) return [{ name, detail: "only the shipped file has it" }];
    if (other.sh_size !== section.sh_size) {
      return [
        { name, detail: `${section.sh_size} bytes in the shipped file, ${other.sh_size} here` },
      ];
    }
    if (other.sh_addr !== section.sh_addr) return [{ name, detail: "it has another address" }];
    if (section.sh_type === SHT.SHT_NOBITS) return [];
    const same = Buffer.compare(sectionBytes(shipped, section), sectionBytes(rebuilt, other)) === 0;
    return same ? [] : [{ name, detail: contentDiffers }];
  });
  const added = [...others.keys()].map((name) => ({
    name,
    detail: "only the rebuilt file has it",
  }));
  return [...found, ...added];
}

function functionNames(named: ElfFile): ReadonlyMap<number, string> {
  const functions = symbolTable(named).filter(({ type }) => type === STT.STT_FUNC);
  return new Map(functions.map(({ st_value, name }) => [st_value, name]));
}

/** For each of our functions the one of theirs that stands for it. */
interface Pairs {
  /** The index of theirs; -1 for none. */
  readonly twins: Int32Array;
  /** The indices of ours whose twin, or lack of one, is a difference. */
  readonly different: ReadonlySet<number>;
  /** How many of theirs stand for none of ours. */
  readonly missing: number;
}

/**
 * Pairs functions with the same code in their order; and between two such pairs, where as many
 * are left in both files, those in their order too: their callers are not to be blamed for them.
 */
function pairFunctions(theirs: Side, ours: Side): Pairs {
  const keys = [theirs, ours].map(({ functions }) => functions.map(({ key }) => key));
  const twins = alignLines(keys[0] ?? [], keys[1] ?? []);
  const different = new Set<number>();
  let [start, from] = [0, 0];
  for (let end = 0; end <= twins.length; end += 1) {
    const to = end === twins.length ? theirs.functions.length : (twins[end] ?? -1);
    if (to === -1) continue;
    for (let index = start; index < end; index += 1) {
      different.add(index);
      if (end - start === to - from) twins[index] = from + index - start;
    }
    [start, from] = [end + 1, to + 1];
  }
  const taken = new Set(twins);
  const missing = theirs.functions.filter((_, index) => !taken.has(index)).length;
  return { twins, different, missing };
}

interface Found {
  readonly range: FunctionRange;
  readonly detail: string;
}

function comparePairs(
  sides: { readonly theirs: Side; readonly ours: Side; readonly pairs: Pairs },
  same: AddressMap,
): readonly Found[] {
  const { theirs, ours, pairs } = sides;
  return ours.functions.flatMap((own, index) => {
    const other = theirs.functions[pairs.twins[index] ?? -1];
    const { range } = own;
    if (other === undefined) return [{ range, detail: "the shipped file has no such function" }];
    if (pairs.different.has(index)) return [{ range, detail: "its code differs" }];
    const detail = differentReference(own, other, same);
    return detail === undefined ? [] : [{ range, detail }];
  });
}

/** Two functions with the same code but for addresses: one instruction after the other. */
function differentReference(
  own: FunctionCode,
  other: FunctionCode,
  same: AddressMap,
): string | undefined {
  for (const [number, instruction] of own.instructions.entries()) {
    const twin = other.instructions[number];
    for (const field of ["target", "ipRelative"] as const) {
      const [a, b] = [twin?.[field], instruction[field]];
      if (a === undefined || b === undefined) continue;
      const detail = same(other.range.start + a, own.range.start + b);
      if (detail !== undefined) return detail;
    }
  }
  return undefined;
}

/** Initial values of variables; pointers in them are zeros that relocations fill in. */
function compareVariables(theirs: ElfFile, ours: ElfFile): readonly Difference[] {
  return theirs.sections.flatMap((section) => {
    if (!/^\.(?:t?data|t?bss)$/.test(section.name)) return [];
    const other = ours.sections.find(({ name }) => name === section.name);
    if (other?.sh_size !== section.sh_size)
      return [{ name: section.name, detail: "its size differs" }];
    if (section.sh_type === SHT.SHT_NOBITS) return [];
    const same = Buffer.compare(sectionBytes(theirs, section), sectionBytes(ours, other)) === 0;
    return same ? [] : [{ name: section.name, detail: "initial values in it differ" }];
  });
}

/** Pointers in data: in their order they lie in the same sections and mean the same. */
function comparePointers(theirs: ElfFile, ours: ElfFile, same: AddressMap): readonly Difference[] {
  const [a, b] = [relativeRelocations(theirs), relativeRelocations(ours)];
  if (a.length !== b.length) {
    return [
      { name: "pointers in data", detail: `${a.length} in the shipped file, ${b.length} here` },
    ];
  }
  for (const [index, own] of b.entries()) {
    const other = a[index];
    if (other === undefined) continue;
    const { name = "data" } = sectionAt(ours, own.r_offset) ?? {};
    const detail = same(other.r_offset, own.r_offset) ?? same(other.addend, own.addend);
    if (detail !== undefined) return [{ name: `a pointer in ${name}`, detail }];
  }
  return [];
}
