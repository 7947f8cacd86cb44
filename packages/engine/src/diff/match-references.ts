/** What run-pre matching checks after the walk: facts that agree, and data that is the same. */
import { type FileAddr, fileAddr, formatAddress } from "../bytes/address.ts";
import { SHF, STT } from "../elf/constants.ts";
import { hasFlag, type Section, sectionBytes } from "../elf/file.ts";
import { R_X86_64, type Relocation } from "../elf/relocation.ts";
import { literalAt } from "./literals.ts";
import type { MatchContext, MatchFact, ReadImage } from "./match-facts.ts";
import type { LabelMap } from "./match-labels.ts";

/**
 * Two facts about one symbol that cannot both be true, or a branch from a split-off part back
 * into the function that leads elsewhere.
 */
export function checkFacts(
  { symbols, object }: MatchContext,
  {
    facts,
    function: { symbolIndex, address, labels },
  }: {
    readonly facts: readonly MatchFact[];
    readonly function: {
      readonly symbolIndex: number;
      readonly address: FileAddr;
      readonly labels: LabelMap;
    };
  },
): string | undefined {
  const own = symbols[symbolIndex];
  const values = new Map<string, number>();
  for (const { symbolIndex: index, addend, kind, value } of facts) {
    const symbol = symbols[index];
    if (symbol === undefined) return `symbol ${index} does not exist`;
    const section = object.sections[symbol.st_shndx];
    const isCode = section !== undefined && hasFlag(section.sh_flags, SHF.SHF_EXECINSTR);
    if (kind === "call" && isCode && symbol.st_shndx === own?.st_shndx) {
      const offset = symbol.st_value + addend - own.st_value;
      const inside = offset > 0 && offset < own.st_size;
      if (inside && !labels.corresponds(offset, value - address)) {
        return `a branch back into the function leads to ${formatAddress(value)}`;
      }
    }
    // A variable is one block; code and nameless data may be laid out otherwise in the module.
    const isData = section !== undefined && hasFlag(section.sh_flags, SHF.SHF_WRITE);
    const isBlock = isData || symbol.type === STT.STT_OBJECT || symbol.type === STT.STT_TLS;
    const base = kind.endsWith("slot") ? value : value - addend;
    const key = isBlock ? `${index} ${kind}` : `${index} ${kind} ${addend}`;
    const known = values.get(key);
    if (known !== undefined && known !== base) {
      const places = `${formatAddress(known)} and ${formatAddress(base)}`;
      return `${symbol.name || section?.name} would be at ${places}`;
    }
    values.set(key, base);
  }
  return undefined;
}

/** A string, constant or jump table that differs between the object and the module. */
export function checkReferences(
  context: MatchContext,
  request: {
    readonly symbolIndex: number;
    readonly address: FileAddr;
    readonly read: ReadImage;
    readonly facts: readonly MatchFact[];
    readonly labels: LabelMap;
  },
): string | undefined {
  for (const fact of request.facts) {
    const symbol = context.symbols[fact.symbolIndex];
    const section = context.object.sections[symbol?.st_shndx ?? 0];
    if (fact.kind !== "address" || symbol === undefined || section === undefined) continue;
    const other = SHF.SHF_WRITE | SHF.SHF_EXECINSTR;
    if ((section.sh_flags & other) !== 0 || !hasFlag(section.sh_flags, SHF.SHF_ALLOC)) continue;
    const difference = hasFlag(section.sh_flags, SHF.SHF_MERGE)
      ? checkLiteral(context, { ...request, fact, section })
      : checkTable(context, { ...request, fact, section });
    if (difference !== undefined) return difference;
  }
  return undefined;
}

interface ReferenceCheck {
  readonly fact: MatchFact;
  readonly section: Section;
  readonly read: ReadImage;
}

function checkLiteral(
  { object, symbols }: MatchContext,
  { fact, section, read }: ReferenceCheck,
): string | undefined {
  const symbol = symbols[fact.symbolIndex];
  const isNamed = symbol !== undefined && symbol.type !== STT.STT_SECTION;
  // A named literal begins at its name, whatever the code adds to it.
  const place = isNamed ? symbol.st_value : fact.addend;
  const { start, bytes } = literalAt(section, sectionBytes(object, section), place);
  const value = fact.value - (isNamed ? fact.addend : 0) - (place - start);
  const found = read(fileAddr(value), bytes.length);
  if (found !== undefined && Buffer.compare(bytes, found) === 0) return undefined;
  return `another constant at ${formatAddress(value)}`;
}

/**
 * The entries of a jump table that lead into the function itself. A table ends where the next
 * one that the code names begins, so it is enough to follow the relocations up to there.
 */
function checkTable(
  context: MatchContext,
  request: ReferenceCheck & {
    readonly symbolIndex: number;
    readonly address: FileAddr;
    readonly facts: readonly MatchFact[];
    readonly labels: LabelMap;
  },
): string | undefined {
  const { fact, section, read, facts } = request;
  const start = (context.symbols[fact.symbolIndex]?.st_value ?? 0) + fact.addend;
  const end = facts
    .filter(({ kind, symbolIndex }) => kind === "address" && symbolIndex === fact.symbolIndex)
    .map(({ addend }) => addend)
    .filter((addend) => addend > fact.addend)
    .reduce((least, addend) => Math.min(least, addend), section.sh_size);
  for (const relocation of context.relocationsOfSection(section.index)) {
    const within = relocation.r_offset - start;
    if (within < 0 || relocation.r_offset >= end) continue;
    const wanted = tableTarget(context, request.symbolIndex, relocation, within);
    if (wanted === undefined) continue;
    const isAbsolute = relocation.type === R_X86_64.R_X86_64_64;
    const bytes = read(fileAddr(fact.value + within), isAbsolute ? 8 : 4);
    if (bytes === undefined) return `no jump table at ${formatAddress(fact.value)}`;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const found = isAbsolute
      ? Number(view.getBigInt64(0, true))
      : fact.value + view.getInt32(0, true);
    // A position-independent module fills absolute entries in when it is loaded.
    if (isAbsolute && found === 0) continue;
    if (!request.labels.corresponds(wanted, found - request.address)) {
      return `another entry in the jump table at ${formatAddress(fact.value)}`;
    }
  }
  return undefined;
}

/** Where in the function a table's entry leads, or undefined for entries that lead elsewhere. */
function tableTarget(
  { symbols }: MatchContext,
  symbolIndex: number,
  { symbolIndex: index, type, r_addend }: Relocation,
  within: number,
): number | undefined {
  const own = symbols[symbolIndex];
  const symbol = symbols[index];
  if (own === undefined || symbol?.st_shndx !== own.st_shndx) return undefined;
  const distance = type === R_X86_64.R_X86_64_PC32 ? within : 0;
  return symbol.st_value + r_addend - distance - own.st_value;
}
