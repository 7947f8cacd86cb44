/**
 * Which entity of the object after is which entity of the object before?
 *
 * For most there is nothing to think about: a function or a file-level variable has one name in
 * its unit, and the name is the identity, whatever else changes. The trouble is in the names that
 * gcc makes up, because their numbers come from counters of the whole unit:
 *
 *     before                     after a fix that adds `static int once;` to log_it()
 *     calls.0    (of parse)      calls.1    (of parse)
 *     limit.1    (of parse)      limit.2    (of parse)
 *                                once.0     (of log_it)
 *     parse.part.0               parse.part.1
 *     CSWTCH.7                   CSWTCH.9
 *
 * The obvious rule, same name same thing, would give `limit.1`'s memory to `calls`; the other
 * obvious one, numbered names are always new, would reset a counter of the running program.
 * So the number is dropped and what is left, the family, is matched by evidence:
 *
 * - Statics of functions (`calls.N`) by who uses them: twins have a source function in common.
 *   One candidate on both sides that shares a user is the twin. Several are told apart by equal
 *   users, then by their order when nothing else differs. Where the evidence is missing or
 *   contradicts itself the variable is `unclear`, and a change that needs it is refused: a wrong
 *   guess would silently lose or mix up state.
 * - Clones (`parse.isra.0`, `parse.constprop.1`, `parse.part.0`) by equal code first, then a
 *   single one left over on both sides. A clone has the parameters that the compiler found
 *   useful. When its code no longer reads the same parameter registers its convention may have
 *   changed, so the two are different functions: the old is gone, the new one is new, and all
 *   callers, whose references then differ, come along. Old code never calls the new clone.
 * - Split-off parts (`parse.cold`) belong to the function whose name they carry.
 * - Tables of the compiler (`CSWTCH.N`, `__PRETTY_FUNCTION__.N`) and everything nameless have no
 *   identity at all, only content; compare.ts looks at that, and nothing is correlated.
 */
import { decodeFunction, entryArguments } from "./call-graph.ts";
import { fieldSize } from "./fields.ts";
import {
  familyName,
  hotName,
  isClone,
  isCompilerConstant,
  isNumbered,
  sourceName,
} from "./names.ts";
import { type Entity, entityBytes, entityOf, type ObjectModel } from "./object-model.ts";

export interface Correlation {
  readonly pairs: readonly Twins[];
  readonly isTwin: (before: Entity, after: Entity) => boolean;
  readonly twinsOfBefore: (before: Entity) => readonly Entity[];
  readonly twinsOfAfter: (after: Entity) => readonly Entity[];
  /** Variables of the object after whose twin could not be told: by index. */
  readonly unclear: ReadonlySet<number>;
}

export interface Twins {
  readonly before: Entity;
  readonly after: Entity;
}

/** Finds the twins of two objects of one unit. */
export function correlate(before: ObjectModel, after: ObjectModel): Correlation {
  const unclear = new Set<number>();
  const pairs = [
    ...pairByName(before, after),
    ...pairClones(before, after),
    ...pairStatics(before, after, unclear),
  ];
  pairs.push(...pairParts({ before, after }, pairs));
  return indexPairs(pairs, unclear);
}

function indexPairs(pairs: readonly Twins[], unclear: ReadonlySet<number>): Correlation {
  const ofBefore = new Map<number, Entity[]>();
  const ofAfter = new Map<number, Entity[]>();
  const add = (map: Map<number, Entity[]>, key: Entity, twin: Entity): void => {
    const list = map.get(key.index);
    if (list === undefined) map.set(key.index, [twin]);
    else list.push(twin);
  };
  for (const { before, after } of pairs) {
    add(ofBefore, before, after);
    add(ofAfter, after, before);
  }
  const twinsOfBefore = (entity: Entity): readonly Entity[] => ofBefore.get(entity.index) ?? [];
  return {
    pairs,
    isTwin: (one, other) => twinsOfBefore(one).some(({ index }) => index === other.index),
    twinsOfBefore,
    twinsOfAfter: (entity) => ofAfter.get(entity.index) ?? [],
    unclear,
  };
}

/** Names whose number means something, or that have none. */
const isPlain = (name: string): boolean =>
  !isNumbered(name) && !isClone(name) && hotName(name) === undefined;

function pairByName(before: ObjectModel, after: ObjectModel): Twins[] {
  const pairs = new Map<string, Twins>();
  for (const [name, entity] of after.byName) {
    const twin = before.byName.get(name);
    if (!isPlain(name) || twin?.kind !== entity.kind) continue;
    pairs.set(`${twin.index} ${entity.index}`, { before: twin, after: entity });
  }
  const nameless = (entity: Entity): boolean => entity.kind === "code" || entity.kind === "data";
  const old = new Map(before.entities.filter(nameless).map((entity) => [entity.name, entity]));
  for (const entity of after.entities.filter(nameless)) {
    const twin = old.get(entity.name);
    if (twin !== undefined)
      pairs.set(`${twin.index} ${entity.index}`, { before: twin, after: entity });
  }
  return [...pairs.values()];
}

function pairClones(before: ObjectModel, after: ObjectModel): Twins[] {
  const clones = (entity: Entity): boolean =>
    entity.kind === "function" && isClone(entity.name) && hotName(entity.name) === undefined;
  return families(before, after, clones).flatMap(({ old, young }) => {
    const pairs: Twins[] = [];
    const left = [...old];
    const open: Entity[] = [];
    for (const entity of young) {
      const print = fingerprint(after, entity);
      const found = left.findIndex((candidate) => fingerprint(before, candidate) === print);
      const [twin] = found < 0 ? [] : left.splice(found, 1);
      if (twin === undefined) open.push(entity);
      else pairs.push({ before: twin, after: entity });
    }
    const [one, other] = [left[0], open[0]];
    if (left.length !== 1 || open.length !== 1 || one === undefined || other === undefined) {
      return pairs;
    }
    const sameParameters =
      entryArguments(decodeFunction(before, one)) === entryArguments(decodeFunction(after, other));
    return sameParameters ? [...pairs, { before: one, after: other }] : pairs;
  });
}

/** Code with its relocated fields blanked, and the families of what it refers to. */
function fingerprint(model: ObjectModel, entity: Entity): string {
  const bytes = Uint8Array.from(entityBytes(model, entity));
  const references = entity.references.map(({ offset, type, target }) => {
    bytes.fill(0, offset, offset + fieldSize(type));
    const { kind, name } = entityOf(model, target);
    return kind === "literals" ? kind : familyName(name);
  });
  return `${Buffer.from(bytes).toString("latin1")}\n${references.join(" ")}`;
}

interface Family {
  readonly old: readonly Entity[];
  readonly young: readonly Entity[];
}

/** Entities of both objects that differ in their numbers at most, where both have some. */
function families(
  before: ObjectModel,
  after: ObjectModel,
  belongs: (entity: Entity) => boolean,
): Family[] {
  const byFamily = new Map<string, { old: Entity[]; young: Entity[] }>();
  const familyOf = (entity: Entity): { old: Entity[]; young: Entity[] } => {
    const key = `${entity.kind} ${familyName(entity.name)}`;
    const family = byFamily.get(key) ?? { old: [], young: [] };
    byFamily.set(key, family);
    return family;
  };
  for (const entity of before.entities.filter(belongs)) familyOf(entity).old.push(entity);
  for (const entity of after.entities.filter(belongs)) familyOf(entity).young.push(entity);
  const ordered = [...byFamily.values()].filter(({ old, young }) => old.length * young.length > 0);
  for (const { old, young } of ordered) {
    old.sort(byNumber);
    young.sort(byNumber);
  }
  return ordered;
}

const numberOf = ({ name }: Entity): number => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
const byNumber = (a: Entity, b: Entity): number => numberOf(a) - numberOf(b);

function pairStatics(before: ObjectModel, after: ObjectModel, unclear: Set<number>): Twins[] {
  const statics = ({ kind, name }: Entity): boolean =>
    (kind === "variable" || kind === "tls") && isNumbered(name) && !isCompilerConstant(name);
  const usersBefore = usersOf(before);
  const usersAfter = usersOf(after);
  const usersOfOld = ({ index }: Entity): ReadonlySet<string> =>
    usersBefore.get(index) ?? new Set();
  const usersOfYoung = ({ index }: Entity): ReadonlySet<string> =>
    usersAfter.get(index) ?? new Set();
  return families(before, after, statics).flatMap(({ old, young }) => {
    const pairs: Twins[] = [];
    const left = new Set(old);
    const open = new Set(young);
    const take = (one: Entity, other: Entity): void => {
      pairs.push({ before: one, after: other });
      left.delete(one);
      open.delete(other);
    };
    const related = (one: Entity, other: Entity): boolean =>
      overlaps(usersOfOld(one), usersOfYoung(other));
    // Equal users, and as many on one side as on the other: in the order of their numbers.
    for (const entity of young) {
      const same = young.filter(
        (it) => open.has(it) && equals(usersOfYoung(it), usersOfYoung(entity)),
      );
      const twins = old.filter(
        (it) => left.has(it) && equals(usersOfOld(it), usersOfYoung(entity)),
      );
      const position = same.indexOf(entity);
      const alike = same.every((it, at) => it.size === twins[at]?.size);
      const twin = same.length === twins.length && alike ? twins[position] : undefined;
      if (position >= 0 && twin !== undefined) take(twin, entity);
    }
    // Then whoever shares a user with exactly one, and that one with nobody else.
    for (const entity of [...open]) {
      const candidates = [...left].filter((it) => related(it, entity));
      const [twin] = candidates;
      if (candidates.length !== 1 || twin === undefined) continue;
      if ([...open].filter((it) => related(twin, it)).length === 1) take(twin, entity);
    }
    // What is left is new when everything old has found its place; otherwise nobody can tell.
    if (left.size > 0) for (const entity of open) unclear.add(entity.index);
    return pairs;
  });
}

/** The source functions (or variables) that refer to an entity, by entity index. */
function usersOf(model: ObjectModel): ReadonlyMap<number, ReadonlySet<string>> {
  const users = new Map<number, Set<string>>();
  for (const entity of model.entities) {
    for (const { target } of entity.references) {
      const set = users.get(target) ?? new Set();
      set.add(sourceName(entity.name));
      users.set(target, set);
    }
  }
  return users;
}

const overlaps = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  [...one].some((name) => other.has(name));
const equals = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  one.size === other.size && [...one].every((name) => other.has(name));

function pairParts(
  { before, after }: { readonly before: ObjectModel; readonly after: ObjectModel },
  functions: readonly Twins[],
): Twins[] {
  return functions.flatMap((twins) => {
    if (twins.before.kind !== "function") return [];
    const old = partsOf(before, twins.before);
    const young = partsOf(after, twins.after);
    return old.flatMap((part, position) => {
      const twin = young[position];
      return twin === undefined ? [] : [{ before: part, after: twin }];
    });
  });
}

/** The split-off parts of a function, in a stable order. */
export const partsOf = (model: ObjectModel, entity: Entity): readonly Entity[] => {
  const names = new Set(entity.symbols.map(({ name }) => name));
  return [...names].flatMap((name) => model.partsByName.get(name) ?? []);
};
