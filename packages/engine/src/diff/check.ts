/**
 * Reasons why a unit cannot be patched live, each from one rule.
 *
 * A refusal is the honest answer "this needs a restart". The rules look at the whole unit and not
 * only at what changed functions use: a changed initial value means that the fixed program would
 * start from another state than the running one is in, whoever reads it.
 */
import assert from "node:assert/strict";
import type { CallGraph } from "./call-graph.ts";
import { type Comparison, isAnonymous, isStaticConstant } from "./compare.ts";
import { type Correlation, partsOf, type Twins } from "./correlate.ts";
import { isClone, isNumbered } from "./names.ts";
import { type Entity, entityOf, isCallback, type ObjectModel } from "./object-model.ts";
import type { DiffRefusal } from "./refusal.ts";

export interface CheckRequest {
  readonly before: ObjectModel;
  readonly after: ObjectModel;
  readonly correlation: Correlation;
  readonly comparison: Comparison;
  readonly changed: readonly Twins[];
  readonly included: ReadonlySet<number>;
  /** Call graph of the object before; asked for only when something changed. */
  readonly graph: () => CallGraph;
}

/** All refusals of a unit, in the order of the rules. */
export function checkDiff(request: CheckRequest): DiffRefusal[] {
  return [
    checkAssembly,
    checkNameless,
    checkVariables,
    checkNewVariables,
    checkNames,
    checkBodies,
    checkReturns,
    checkCallbacks,
  ].flatMap((rule) => rule(request));
}

/** Sections of intermediate code mean that functions of other units may be inlined anywhere. */
export function checkLto(...objects: readonly ObjectModel[]): DiffRefusal[] {
  const section = objects
    .flatMap(({ elf }) => elf.sections)
    .find(({ name }) => name.startsWith(".gnu.lto_"));
  if (section === undefined) return [];
  return [
    {
      code: "lto",
      name: ".gnu.lto_*",
      detail: "the object was compiled with -flto; compile the unit with -fno-lto",
    },
  ];
}

function checkAssembly({
  before,
  after,
  correlation,
  comparison,
  included,
}: CheckRequest): DiffRefusal[] {
  const refusal = (name: string, detail: string): DiffRefusal => ({
    code: "assembly",
    name,
    detail,
  });
  const code = (model: ObjectModel): Entity[] =>
    model.entities.filter(({ kind, size }) => kind === "code" && size > 0);
  const same = (one: Entity, other: Entity): boolean => comparison.sameContent(one, other);
  const changed = [
    ...code(after).filter((it) => !correlation.twinsOfAfter(it).some((twin) => same(twin, it))),
    ...code(before).filter((it) => !correlation.twinsOfBefore(it).some((twin) => same(it, twin))),
  ];
  const sharing = [...included]
    .map((index) => entityOf(after, index))
    .filter(({ kind, section }) => kind === "function" && section !== undefined)
    .filter(({ section }) => (after.bySection.get(section?.index ?? -1)?.length ?? 0) > 1);
  return [
    ...[...new Set(changed.map(({ name }) => name))].map((name) =>
      refusal(name, "code that belongs to no function changes"),
    ),
    ...sharing.map(({ name, section }) =>
      refusal(name, `the function shares the section ${section?.name} with others`),
    ),
  ];
}

function checkNameless({ before, after, correlation, comparison }: CheckRequest): DiffRefusal[] {
  const data = (model: ObjectModel): Entity[] =>
    model.entities.filter(({ kind, size }) => kind === "data" && size > 0);
  const young = data(after).filter(
    (it) => !correlation.twinsOfAfter(it).some((twin) => comparison.sameContent(twin, it)),
  );
  const old = data(before).filter(
    (it) => !correlation.twinsOfBefore(it).some((twin) => comparison.sameContent(it, twin)),
  );
  return [...new Set([...young, ...old].map(({ name }) => name))].map((name) =>
    /^\.(preinit_array|init_array|fini_array|ctors|dtors)\b/.test(name)
      ? { code: "constructor", name, detail: "functions that run at start or exit change" }
      : { code: "changed-data", name, detail: "the content of the section changes" },
  );
}

function checkVariables({ correlation, comparison }: CheckRequest): DiffRefusal[] {
  const refusals: DiffRefusal[] = [];
  for (const { before, after } of correlation.pairs) {
    const { name } = before;
    if (before.kind !== "variable" && before.kind !== "tls") continue;
    if (isAnonymous(after) || (isStaticConstant(before) && isStaticConstant(after))) continue;
    const resized = before.size !== after.size;
    const sizes = `${before.size} bytes before, ${after.size} after`;
    if (before.kind === "tls") {
      if (resized) refusals.push({ code: "tls-variable", name, detail: sizes });
      else if (!comparison.sameContent(before, after)) {
        refusals.push({ code: "tls-variable", name, detail: "its initial value changes" });
      }
    } else if (resized) {
      refusals.push({ code: "changed-data-size", name, detail: sizes });
    } else if (!before.writable && after.writable) {
      const detail = "it stands in read-only memory and new code would write to it";
      refusals.push({ code: "changed-data", name, detail });
    } else if (alignmentOf(after) > alignmentOf(before)) {
      const detail = `it stands at a multiple of ${alignmentOf(before)}, and new code expects one of ${alignmentOf(after)}`;
      refusals.push({ code: "changed-data-size", name, detail });
    } else if (!comparison.sameContent(before, after)) {
      const detail = before.writable
        ? "the running program may have changed the value since it started"
        : "code of other units may read it";
      refusals.push({ code: "changed-data", name, detail });
    }
  }
  return refusals;
}

/** What addresses of the variable are multiples of. Of a COMMON symbol the value says it. */
const alignmentOf = ({ section, symbols }: Entity): number =>
  section === undefined ? (symbols[0]?.st_value ?? 1) : section.sh_addralign;

function checkNewVariables({ after, correlation, included }: CheckRequest): DiffRefusal[] {
  const refusals: DiffRefusal[] = [];
  for (const entity of after.entities) {
    const { name, index, kind, writable } = entity;
    if (kind === "tls" && correlation.twinsOfAfter(entity).length === 0) {
      refusals.push({ code: "tls-variable", name, detail: "it is new" });
    } else if (correlation.unclear.has(index) && included.has(index) && writable) {
      const detail = "several variables of that name come and go, and who uses them changes";
      refusals.push({ code: "unclear-variable", name, detail });
    }
  }
  return refusals;
}

function checkNames({ before, after, correlation, included }: CheckRequest): DiffRefusal[] {
  const refusals: DiffRefusal[] = [];
  const referenced = new Set(
    after.entities.flatMap(({ references }) => references.map(({ target }) => target)),
  );
  for (const [name, entity] of after.byName) {
    const old = before.byName.get(name);
    if (old === undefined || old.kind === entity.kind || isNumbered(name) || isClone(name))
      continue;
    if (entity.kind === "external") {
      if (!referenced.has(entity.index)) continue;
      const detail = "the unit defined it before and only refers to it after";
      refusals.push({ code: "vanished-function", name, detail });
    } else if (old.kind === "external") {
      if (!included.has(entity.index) || correlation.twinsOfAfter(entity).length > 0) continue;
      const detail = "it was defined elsewhere before and by this unit after";
      refusals.push({ code: "symbol-kind", name, detail });
    } else {
      refusals.push({
        code: "symbol-kind",
        name,
        detail: `${old.kind} before, ${entity.kind} after`,
      });
    }
  }
  return refusals;
}

/** Identical functions may share one body; a jump at its entry would then redirect both. */
function checkBodies({ correlation, changed }: CheckRequest): DiffRefusal[] {
  return [...new Set(changed.map(({ before }) => before))]
    .filter((before) => correlation.twinsOfBefore(before).length > 1)
    .map((before) => ({
      code: "shared-body",
      name: before.name,
      detail: `one body before serves ${correlation
        .twinsOfBefore(before)
        .map(({ name }) => name)
        .join(" and ")}, which differ after`,
    }));
}

function checkReturns({ before, changed, graph }: CheckRequest): DiffRefusal[] {
  return changed.flatMap((twins): DiffRefusal[] => {
    const { name } = twins.before;
    const code = "function-never-returns";
    if (name === "main") return [{ code, name, detail: "it runs as long as the program" }];
    if (returns(before, twins.before, graph())) return [];
    return [{ code, name, detail: "it loops and holds no return" }];
  });
}

/** A callback that the program has would be another function than the one that the name means. */
function checkCallbacks({ after, correlation, included }: CheckRequest): DiffRefusal[] {
  const pointers = after.entities.filter(isCallback);
  return pointers.flatMap((pointer): DiffRefusal[] => {
    if (correlation.twinsOfAfter(pointer).length > 0) return [];
    const [reference] = pointer.references;
    const target = reference && entityOf(after, reference.target);
    if (target?.kind === "function" && included.has(target.index)) return [];
    const detail = `${pointer.name} does not point to a function that is new`;
    return [{ code: "callback", name: target?.name ?? pointer.name, detail }];
  });
}

/**
 * False for a function that can only loop: it holds a backward jump and nothing that leaves it.
 * One without loops that never returns either ends the process or is left by longjmp, and is
 * never found on a stack for long.
 */
function returns(model: ObjectModel, entity: Entity, graph: CallGraph): boolean {
  const family = new Set([entity, ...partsOf(model, entity)].map(({ index }) => index));
  let loops = false;
  for (const index of family) {
    const { instructions, calls } = graph.codeOf(index);
    const leaves = calls.some(
      ({ tail, callee }) => tail && (callee === undefined || !family.has(callee)),
    );
    if (leaves || instructions.some(({ flow }) => flow === "return")) return true;
    loops ||= instructions.some(
      ({ target, offset, flow }) => target !== undefined && flow !== "call" && target <= offset,
    );
  }
  assert(family.size > 0, "a function is a part of itself");
  return !loops;
}
