/**
 * What differs between two objects of one translation unit, function by function.
 *
 * This file is the list of passes; each pass is a file of its own and opens with what it must
 * get right. Input are two relocatable objects that the same compiler made with the same options,
 * -ffunction-sections -fdata-sections among them, from the source before and after a fix. The
 * second list of passes, which turns diffs into one object, is in write.ts.
 */
import type { ElfFile } from "../elf/file.ts";
import { buildCallGraph, type CallGraph } from "./call-graph.ts";
import { type CallerFindings, findKnowingCallers } from "./callers.ts";
import { checkDiff, checkLto } from "./check.ts";
import { createComparison } from "./compare.ts";
import { checkTypes } from "./compare-debug.ts";
import { type Correlation, correlate, partsOf, type Twins } from "./correlate.ts";
import { type FrameTable, parseFrames } from "./frames.ts";
import { includeEntities } from "./include.ts";
import { hotName } from "./names.ts";
import {
  buildObjectModel,
  type Entity,
  entityOf,
  isCallback,
  type ObjectModel,
} from "./object-model.ts";
import type { DiffRefusal } from "./refusal.ts";
import { findStartOnly } from "./start-only.ts";

export { DIFF_REFUSALS, type DiffRefusal, type DiffRefusalCode } from "./refusal.ts";

export interface ObjectDiff {
  /** Functions of both objects whose new code must run instead of the old. */
  readonly changed: readonly ChangedFunction[];
  /** Functions that only the object after has and that go into the hotpatch. */
  readonly added: readonly string[];
  /** Functions that only the object before has. */
  readonly vanished: readonly string[];
  /** Variables that only the object after has and that go into the hotpatch. */
  readonly newVariables: readonly string[];
  /** Why this unit cannot be patched live; empty when it can. */
  readonly refusals: readonly DiffRefusal[];
  /**
   * Functions that stay, and call a changed function with knowledge of its inside (the registers
   * it leaves alone, the stack alignment it needs). Their code after the fix is their code
   * before it, which proves that they may call the new function; it remains to be shown with
   * matchFunction that the running module has this very code. Names of the object before.
   */
  readonly callersToMatch: readonly string[];
  /** What the passes found, for writeHotpatch. */
  readonly findings: DiffFindings;
}

export interface ChangedFunction {
  /** The name in the object before, which is the name in the running module. */
  readonly name: string;
  /** The name in the object after: a clone may have another number there. */
  readonly afterName: string;
  readonly binding: "local" | "global";
  readonly beforeSymbolIndex: number;
  readonly afterSymbolIndex: number;
  /** The split-off parts of the function before (`NAME.cold`). */
  readonly parts: readonly FunctionPartSymbol[];
  /** Why it counts as changed, for people: `another size`, `other bytes in parse.cold`. */
  readonly because: string;
  /** It runs while the program starts and never again: a fix of it comes too late. */
  readonly onlyAtStart: boolean;
}

export interface FunctionPartSymbol {
  readonly name: string;
  readonly symbolIndex: number;
}

/** Opaque to callers: what writeHotpatch needs of a diff. */
export interface DiffFindings {
  readonly before: ObjectModel;
  readonly after: ObjectModel;
  readonly correlation: Correlation;
  /** Unwind information of the object after. */
  readonly frames: FrameTable;
  /** Entities of the object after that go into the hotpatch, by index in its model. */
  readonly included: ReadonlySet<number>;
}

/**
 * Compares two objects of one translation unit.
 *
 * Never throws for what it cannot patch: that is in `refusals`, and an ObjectDiff with refusals
 * must not be built into a hotpatch. Throws FormatError for bytes that are no object.
 */
export function diffObjects(beforeElf: ElfFile, afterElf: ElfFile): ObjectDiff {
  const before = buildObjectModel(beforeElf);
  const after = buildObjectModel(afterElf);
  const correlation = correlate(before, after);
  const comparison = createComparison(before, after, correlation);
  const functions = correlation.pairs.filter(isWholeFunction);

  const changed = new Map<Twins, string>();
  for (const twins of functions) {
    const difference = comparison.functionDifference(twins.before, twins.after);
    if (difference !== undefined) changed.set(twins, difference);
  }
  const graph = remember(() => buildCallGraph(before));
  const startOnly = remember(() => findStartOnly(before, graph()));
  const callers = findCallers({ after, functions, changed, graph });
  for (const twins of callers.relying) changed.set(twins, "it relies on the registers of a callee");

  // From here the set of changed functions is complete.
  const frames = parseFrames(after);
  const newGlobals = after.entities.filter(
    (entity) => isNewGlobal(entity, correlation) || isNewCallback(entity, correlation),
  );
  const roots = [...[...changed.keys()].map((twins) => twins.after), ...newGlobals];
  const included = includeEntities({ after, correlation, comparison, frames, roots });
  const refusals = [
    ...checkLto(before, after),
    ...checkDiff({
      ...{ before, after, correlation, comparison, included, graph },
      changed: [...changed.keys()],
    }),
    ...checkTypes({ before, after, correlation, changed: [...changed.keys()] }),
    ...checkRelying(callers),
  ];
  return {
    changed: [...changed].map(([twins, because]) => ({
      ...describeChange(before, twins, because),
      onlyAtStart: startOnly()(twins.before),
    })),
    ...namesOfNews({ before, after, correlation, included }),
    refusals,
    callersToMatch: callers.toMatch
      .filter((twins) => !changed.has(twins))
      .map((twins) => twins.before.name),
    findings: { before, after, correlation, frames, included },
  };
}

const isWholeFunction = ({ before }: Twins): boolean =>
  before.kind === "function" && hotName(before.name) === undefined;

const isNewCallback = (entity: Entity, correlation: Correlation): boolean =>
  isCallback(entity) && correlation.twinsOfAfter(entity).length === 0;

const isNewGlobal = (entity: Entity, correlation: Correlation): boolean =>
  entity.global &&
  (entity.kind === "function" || entity.kind === "variable") &&
  correlation.twinsOfAfter(entity).length === 0;

function remember<T>(make: () => T): () => T {
  let value: { readonly made: T } | undefined;
  return () => {
    value ??= { made: make() };
    return value.made;
  };
}

function findCallers(request: {
  readonly after: ObjectModel;
  readonly functions: readonly Twins[];
  readonly changed: ReadonlyMap<Twins, string>;
  readonly graph: () => CallGraph;
}): CallerFindings {
  const { after, functions, changed, graph } = request;
  if (changed.size === 0) return { relying: [], toMatch: [] };
  return findKnowingCallers({
    before: graph(),
    after: buildCallGraph(after),
    functions,
    isChanged: (twins) => changed.has(twins),
  });
}

/** A caller that must come along for its registers, but cannot be replaced. */
function checkRelying({ relying }: CallerFindings): DiffRefusal[] {
  return relying
    .filter(({ before }) => before.name === "main")
    .map(({ before: { name } }) => ({
      code: "register-use",
      name,
      detail: "it keeps a value in a register that the new code of a function it calls writes",
    }));
}

function describeChange(
  model: ObjectModel,
  twins: Twins,
  because: string,
): Omit<ChangedFunction, "onlyAtStart"> {
  const { before, after } = twins;
  // Aliases give one place several names; the one that both sides have says what is meant.
  const names = new Set(before.symbols.map((symbol) => symbol.name));
  const common = after.symbols.find((symbol) => names.has(symbol.name))?.name;
  const name = common ?? before.name;
  const afterName = common ?? after.name;
  return {
    name,
    afterName,
    binding: before.global ? "global" : "local",
    beforeSymbolIndex: symbolIndexOf(before, name),
    afterSymbolIndex: symbolIndexOf(after, afterName),
    parts: partsOf(model, before).map((part) => ({
      name: part.name,
      symbolIndex: symbolIndexOf(part, part.name),
    })),
    because,
  };
}

const symbolIndexOf = ({ symbols }: Entity, name: string): number =>
  symbols.find((symbol) => symbol.name === name)?.index ?? 0;

function namesOfNews(request: {
  readonly before: ObjectModel;
  readonly after: ObjectModel;
  readonly correlation: Correlation;
  readonly included: ReadonlySet<number>;
}): Pick<ObjectDiff, "added" | "vanished" | "newVariables"> {
  const { before, after, correlation, included } = request;
  const isWhole = ({ kind, name }: Entity): boolean =>
    kind === "function" && hotName(name) === undefined;
  const news = [...included]
    .map((index) => entityOf(after, index))
    .filter((entity) => correlation.twinsOfAfter(entity).length === 0);
  return {
    added: news.filter(isWhole).map(({ name }) => name),
    newVariables: news
      .filter((entity) => entity.kind === "variable" && entity.writable && !isCallback(entity))
      .map(({ name }) => name),
    vanished: before.entities
      .filter((entity) => isWhole(entity) && correlation.twinsOfBefore(entity).length === 0)
      .map(({ name }) => name),
  };
}
