/**
 * Makes one relocatable object from the diffs of several translation units.
 *
 * The object is what the linker of the engine places in the process. Its parts are sections of
 * the objects after, nearly as they are; what changes are the names that references go by, for
 * three worlds meet in one symbol table:
 *
 *     parse              a global function or variable: one name in the whole module
 *     parse@src/rdb.c    a static one that stays in the running module (undefined here)
 *     parse@src/rdb.c#new  a static one that the hotpatch brings (defined here)
 *
 * A reference to the entry of a function goes by the function's symbol, and a branch to it is
 * always R_X86_64_PLT32: the engine's linker binds branches to the new code, and gives all other
 * references to a replaced function the original entry, so that function pointers stay equal. A
 * reference into the middle of a function (jump tables, split-off parts, unwind information) goes
 * by the section symbol, which always means the new code.
 */
import assert from "node:assert/strict";
import { SHF, SHT, STB, STT, STV } from "../elf/constants.ts";
import type { ElfFile } from "../elf/file.ts";
import { R_X86_64 } from "../elf/relocation.ts";
import type { RelocatableObject } from "../elf/write.ts";
import { type CodeInstruction, decodeCode } from "./code.ts";
import type { ChangedFunction, FunctionPartSymbol, ObjectDiff } from "./diff.ts";
import { isPcRelative } from "./fields.ts";
import { literalOf } from "./literals.ts";
import { createObjectDraft, type ObjectDraft } from "./object-draft.ts";
import {
  CALLBACK_SECTIONS,
  type Entity,
  entityBytes,
  entityOf,
  isCallback,
  type Reference,
  resolveReference,
} from "./object-model.ts";
import { writeFrames } from "./write-frames.ts";

export interface HotpatchUnit {
  /** Unique name of the translation unit, as in `src/rdb.c`. */
  readonly name: string;
  readonly before: ElfFile;
  readonly after: ElfFile;
  readonly diff: ObjectDiff;
}

export interface HotpatchObject {
  readonly object: RelocatableObject;
  readonly functions: readonly HotpatchFunction[];
  /** Undefined symbols of the object: what the builder must find in the running module. */
  readonly external: readonly ExternalSymbol[];
  /** The functions that pointers in `.suture.callbacks.*` point to, in their order. */
  readonly callbacks: readonly HotpatchCallback[];
}

export interface HotpatchCallback {
  /** The end of the section's name, as in `pre_apply`. */
  readonly when: string;
  readonly unit: string;
  readonly symbol: string;
}

/** A changed function and the symbol of the object that replaces it. */
export interface HotpatchFunction {
  readonly unit: string;
  /** Name in the object before. */
  readonly name: string;
  readonly replacement: string;
  readonly beforeSymbolIndex: number;
  readonly binding: "local" | "global";
  readonly parts: readonly FunctionPartSymbol[];
}

export interface ExternalSymbol {
  /** Name in the hotpatch object: the plain name for globals, `NAME@UNIT` for locals. */
  readonly symbol: string;
  readonly unit: string;
  /** Name in the object before, or the undefined name where only the object after mentions it. */
  readonly beforeName: string;
  /** Index in the symbol table of the object before, where it mentions the symbol. */
  readonly beforeSymbolIndex?: number;
  /** Its section in the object before (section symbols stand for it in relocations). */
  readonly beforeSection?: number;
  readonly binding: "local" | "global";
  /** True when the unit itself defines the symbol. */
  readonly definedInUnit: boolean;
  readonly type: "function" | "object" | "tls" | "unknown";
}

/**
 * Makes one relocatable object that holds the changed and new functions of all units.
 *
 * The diffs must be without refusals, and unit names unique. A global name that one unit newly
 * defines serves the references of all others.
 */
export function writeHotpatch(units: readonly HotpatchUnit[]): HotpatchObject {
  const draft = createObjectDraft();
  const external = new Map<string, ExternalSymbol>();
  const states = units.map((unit) => placeEntities(unit, draft));
  // From here no function and no variable is added: every defined name is known.
  for (const state of states) {
    for (const entity of includedEntities(state.unit)) {
      if (state.sectionOf.has(entity.index)) relocateEntity({ state, draft, external }, entity);
    }
  }
  writeFrames(
    draft,
    states.flatMap((state) => frameRequests({ state, draft, external })),
  );
  return {
    object: draft.finish(),
    functions: units.flatMap((unit) => unit.diff.changed.map((it) => describeFunction(unit, it))),
    external: [...external.values()],
    callbacks: units.flatMap(callbacksOf),
  };
}

function callbacksOf(unit: HotpatchUnit): readonly HotpatchCallback[] {
  const { after } = unit.diff.findings;
  return includedEntities(unit)
    .filter(isCallback)
    .flatMap(({ section, references }) =>
      references.map(({ target }) => {
        const entity = entityOf(after, target);
        const when = section?.name.slice(CALLBACK_SECTIONS.length) ?? "";
        return { when, unit: unit.name, symbol: definedName(unit, entity, entity.name) };
      }),
    );
}

interface UnitState {
  readonly unit: HotpatchUnit;
  /** Section of the object for each included entity that has one, by entity index. */
  readonly sectionOf: ReadonlyMap<number, number>;
}

interface Writing {
  readonly state: UnitState;
  readonly draft: ObjectDraft;
  readonly external: Map<string, ExternalSymbol>;
}

const includedEntities = ({ diff }: HotpatchUnit): Entity[] =>
  [...diff.findings.included]
    .sort((a, b) => a - b)
    .map((index) => entityOf(diff.findings.after, index));

function describeFunction(unit: HotpatchUnit, changed: ChangedFunction): HotpatchFunction {
  const { name, beforeSymbolIndex, binding, parts, afterSymbolIndex } = changed;
  const entity = unit.diff.findings.after.bySymbol.get(afterSymbolIndex);
  assert(entity !== undefined, "a changed function has a symbol after");
  const replacement = definedName(unit, entity, changed.afterName);
  return { unit: unit.name, name, replacement, beforeSymbolIndex, binding, parts };
}

const isGlobalName = ({ symbols }: Entity, name: string): boolean =>
  symbols.some((symbol) => symbol.name === name && symbol.binding !== STB.STB_LOCAL);

const definedName = (unit: HotpatchUnit, entity: Entity, name: string): string =>
  isGlobalName(entity, name) ? name : `${name}@${unit.name}#new`;

/** Gives every included entity its section and defines its symbols. */
function placeEntities(unit: HotpatchUnit, draft: ObjectDraft): UnitState {
  const { after } = unit.diff.findings;
  const sectionOf = new Map<number, number>();
  for (const entity of includedEntities(unit)) {
    if (entity.kind === "literals" || isDefinedAlready(entity, draft)) continue;
    const { section } = entity;
    const common = entity.symbols[0];
    const index = draft.addSection({
      name: section?.name ?? `.bss.${entity.name}`,
      sh_type: section?.sh_type ?? SHT.SHT_NOBITS,
      sh_flags: plainFlags(section?.sh_flags ?? SHF.SHF_ALLOC | SHF.SHF_WRITE),
      sh_addralign: section?.sh_addralign ?? common?.st_value ?? 16,
      bytes: entityBytes(after, entity),
      size: entity.size,
    });
    sectionOf.set(entity.index, index);
    for (const symbol of entity.symbols) {
      if (symbol.type === STT.STT_NOTYPE && symbol.binding === STB.STB_LOCAL) continue;
      draft.define({
        name: definedName(unit, entity, symbol.name),
        type: symbol.type === STT.STT_COMMON ? STT.STT_OBJECT : symbol.type,
        binding: symbol.binding,
        visibility: symbol.visibility,
        section: index,
        value: section === undefined ? 0 : symbol.st_value - entity.start,
        size: symbol.st_size,
      });
    }
  }
  return { unit, sectionOf };
}

/** Of weak definitions of one name in several units the first serves all. */
const isDefinedAlready = ({ symbols }: Entity, draft: ObjectDraft): boolean =>
  symbols.some(({ name, binding }) => {
    return binding === STB.STB_WEAK && draft.symbolOf(name) !== undefined;
  });

/** Without what only a static linker acts on: groups, merging, link order. */
const plainFlags = (flags: number): number =>
  flags & (SHF.SHF_ALLOC | SHF.SHF_WRITE | SHF.SHF_EXECINSTR | SHF.SHF_TLS);

function relocateEntity(writing: Writing, entity: Entity): void {
  const { state, draft } = writing;
  const section = state.sectionOf.get(entity.index);
  assert(section !== undefined, "included entities have sections");
  const { after } = state.unit.diff.findings;
  const code = entity.kind === "function" ? decodeCode(entityBytes(after, entity)) : [];
  let position = 0;
  for (const reference of entity.references) {
    while ((code[position]?.end ?? Number.POSITIVE_INFINITY) <= reference.offset) position++;
    const { type, symbol, addend } = translate(writing, {
      from: entity,
      reference,
      instruction: code[position],
    });
    draft.relocate(section, { r_offset: reference.offset, type, symbol, r_addend: addend });
  }
}

interface Translated {
  readonly type: number;
  /** Index of a symbol of the draft. */
  readonly symbol: number;
  readonly addend: number;
}

function translate(
  writing: Writing,
  use: {
    readonly from: Entity;
    readonly reference: Reference;
    readonly instruction: CodeInstruction | undefined;
  },
): Translated {
  const { state, draft } = writing;
  const { after } = state.unit.diff.findings;
  const { from, reference, instruction } = use;
  const { type, addend } = reference;
  const target = entityOf(after, reference.target);
  if (target.kind === "literals") {
    const literal = literalOf(after, { from, reference, target });
    const place = draft.addLiteral(literal.bytes, target.section?.sh_addralign ?? 1);
    return { type, symbol: place.symbol, addend: place.offset + literal.addend };
  }
  const section = state.sectionOf.get(target.index);
  if (section === undefined) return { type: branchType(use), ...externalPlace(writing, reference) };
  if (target.kind !== "function") {
    return { type, symbol: placedSymbol(writing, target, section), addend };
  }
  const distance = instruction === undefined ? 0 : instruction.end - reference.offset;
  const isTable = instruction === undefined && isPcRelative(type);
  const isEntry = !isTable && addend + (isPcRelative(type) ? distance : 0) === 0;
  return isEntry
    ? { type: branchType(use), symbol: placedSymbol(writing, target, section), addend }
    : { type, symbol: draft.sectionSymbol(section), addend };
}

/** A branch to a function is marked as one, also where the assembler knew the function. */
function branchType({
  reference: { type },
  instruction,
}: {
  readonly reference: Reference;
  readonly instruction: CodeInstruction | undefined;
}): number {
  const isBranch = instruction?.target !== undefined;
  return isBranch && type === R_X86_64.R_X86_64_PC32 ? R_X86_64.R_X86_64_PLT32 : type;
}

/** The symbol at the start of an included entity: its own, or its section's when it has none. */
function placedSymbol({ state, draft }: Writing, target: Entity, section: number): number {
  return (
    draft.symbolOf(definedName(state.unit, target, target.name)) ?? draft.sectionSymbol(section)
  );
}

/** The undefined symbol and addend for a reference to what stays in the running process. */
function externalPlace(
  writing: Writing,
  reference: Reference,
): { readonly symbol: number; readonly addend: number } {
  const { after } = writing.state.unit.diff.findings;
  const target = entityOf(after, reference.target);
  const name = nameOf(writing, reference);
  // The addend counts from the entity's start; an alias may stand further in.
  const named = target.symbols.find((symbol) => symbol.name === name);
  const value = target.section === undefined ? 0 : (named?.st_value ?? target.start);
  return {
    symbol: externalSymbol(writing, reference),
    addend: reference.addend + target.start - value,
  };
}

/** The name that a reference uses, or the first of its target when it uses a section symbol. */
function nameOf({ state }: Writing, { symbolIndex, target }: Reference): string {
  const { after } = state.unit.diff.findings;
  const symbol = after.symbols[symbolIndex];
  return symbol === undefined || symbol.type === STT.STT_SECTION
    ? entityOf(after, target).name
    : symbol.name;
}

/** The undefined symbol for something that stays in the running process. */
function externalSymbol(writing: Writing, reference: Reference): number {
  const { state, draft, external } = writing;
  const { unit } = state;
  const { after, before, correlation } = unit.diff.findings;
  const target = entityOf(after, reference.target);
  const name = nameOf(writing, reference);
  const [twin] = correlation.twinsOfAfter(target);
  const old = before.byName.get(name);
  const isGlobal = target.kind === "external" || isGlobalName(target, name);
  const beforeName = isGlobal ? name : (twin?.name ?? name);
  const symbol = isGlobal ? name : `${beforeName}@${unit.name}`;
  const known = draft.symbolOf(symbol);
  if (known !== undefined) return known;
  const isTls = target.kind === "tls" || target.symbols.some((it) => it.type === STT.STT_TLS);
  const source = twin ?? (old?.kind === target.kind ? old : undefined);
  const inBefore = source?.symbols.find((it) => it.name === beforeName);
  external.set(symbol, {
    symbol,
    unit: unit.name,
    beforeName,
    ...(inBefore === undefined ? {} : { beforeSymbolIndex: inBefore.index }),
    ...(source?.section === undefined ? {} : { beforeSection: source.section.index }),
    binding: isGlobal ? "global" : "local",
    definedInUnit: target.kind !== "external",
    type: isTls ? "tls" : externalType(target),
  });
  const weak = target.symbols.some((it) => it.binding === STB.STB_WEAK);
  return draft.define({
    name: symbol,
    type: isTls ? STT.STT_TLS : STT.STT_NOTYPE,
    binding: weak && target.kind === "external" ? STB.STB_WEAK : STB.STB_GLOBAL,
    visibility: STV.STV_DEFAULT,
    section: "undefined",
    value: 0,
    size: 0,
  });
}

function externalType({ kind }: Entity): ExternalSymbol["type"] {
  if (kind === "function" || kind === "code") return "function";
  return kind === "external" ? "unknown" : "object";
}

/** What writeFrames needs for the included functions of one unit. */
function frameRequests(writing: Writing): Parameters<typeof writeFrames>[1] {
  const { state, draft } = writing;
  const { after, frames } = state.unit.diff.findings;
  return [...state.sectionOf].flatMap(([index, section]) =>
    (frames.get(index) ?? []).map(({ cie, fde }) => ({
      cie,
      fde,
      beginSymbol: draft.sectionSymbol(section),
      translate: (symbolIndex: number, r_addend: number) => {
        const resolved = resolveReference(after, symbolIndex, r_addend);
        const placed = state.sectionOf.get(resolved.target);
        if (placed !== undefined) {
          return { symbol: draft.sectionSymbol(placed), r_addend: resolved.addend };
        }
        const place = externalPlace(writing, { ...resolved, offset: 0, type: 0, symbolIndex });
        return { symbol: place.symbol, r_addend: place.addend };
      },
    })),
  );
}
