/**
 * What each fix of a series changes by itself: the difference of the machine code between the
 * source with all fixes up to it and the source with it.
 *
 * The words of a patch do not tell: a changed function may be inlined into others that no patch
 * names, and a patch may name a function that comes out the same.
 */
import type { CompiledFix } from "./compare-trees.ts";
import { type DiffRefusal, diffObjects } from "./engine.ts";
import { type ChangedName, commandKey, plainName } from "./fixes.ts";
import type { PatchFile } from "./patch-file.ts";
import { FINE, type RefusalItem } from "./refusals.ts";

/** One fix of a series, compiled with those before it, without and with itself. */
export interface FixStep {
  /** The patches that it consists of: several where they cannot be told apart. */
  readonly patches: readonly PatchFile[];
  readonly units: readonly StepUnit[];
  /** Why units of it could not be compared. */
  readonly refused: readonly KeyedItem[];
}

export interface StepUnit {
  readonly key: string;
  readonly changed: readonly { readonly name: string; readonly onlyAtStart: boolean }[];
  readonly added: readonly string[];
  readonly refusals: readonly DiffRefusal[];
  readonly unit: string;
}

interface KeyedItem extends RefusalItem {
  readonly key: string;
}

/** What a fix does in one module. */
export interface FixEffect {
  /** Whether any of its units is in the module. */
  readonly touches: boolean;
  readonly changed: readonly Pick<ChangedName, "key" | "name">[];
  /** What of it cannot go into a running process. */
  readonly obstacles: readonly KeyedItem[];
}

/** The step of patches from its compiled units. */
export function readStep(
  patches: readonly PatchFile[],
  { selected, compiled, refused }: Pick<CompiledFix, "selected" | "compiled" | "refused">,
): FixStep {
  const units = compiled.map(({ unit, before, after }) => {
    const { changed, added, refusals } = diffObjects(before, after);
    const names = changed.map(({ name, onlyAtStart }) => ({ name, onlyAtStart }));
    return { key: commandKey(unit.command), unit: unit.name, changed: names, added, refusals };
  });
  const items = refused
    .flatMap((refusal) => refusal.items)
    .map((item) => {
      const unit = selected.find(({ name }) => name === item.unit);
      return { ...item, key: unit === undefined ? "" : commandKey(unit.command) };
    });
  return { patches, units, refused: items };
}

/** What a step does to the units of a module, given by their compile commands. */
export function effectIn(step: FixStep, inside: ReadonlySet<string>): FixEffect {
  const units = step.units.filter(({ key }) => inside.has(key));
  const refused = step.refused.filter(({ key }) => inside.has(key));
  return {
    touches: units.length > 0 || refused.length > 0,
    changed: units.flatMap(({ key, changed }) => changed.map(({ name }) => ({ key, name }))),
    obstacles: [
      ...refused,
      ...units.flatMap(({ key, unit, refusals }) =>
        refusals.map(({ code, name, detail }) => ({ key, unit, code, name, detail })),
      ),
    ],
  };
}

/** Whether a fix does anything to the module's machine code or data. */
export const hasEffect = ({ changed, obstacles }: FixEffect): boolean =>
  changed.length > 0 || obstacles.length > 0;

/** Whether two names mean one function of one unit; gcc numbers its clones anew each time. */
export const isSameFunction = (
  a: Pick<ChangedName, "key" | "name">,
  b: Pick<ChangedName, "key" | "name">,
): boolean => a.key === b.key && plainName(a.name) === plainName(b.name);

/**
 * The fixes that a thing in the way belongs to: those that have it in the way by themselves, else
 * those that change the function, else those that change the unit, else all.
 */
export function ownersOf(
  item: RefusalItem,
  effects: ReadonlyMap<number, FixEffect>,
  keyOf: (unit: string) => string | undefined,
): readonly number[] {
  if (item.code === FINE) return [];
  const key = keyOf(item.unit ?? "");
  const where = (test: (effect: FixEffect) => boolean): readonly number[] =>
    [...effects].flatMap(([index, effect]) => (test(effect) ? [index] : []));
  const choices = [
    where(({ obstacles }) =>
      obstacles.some((own) => own.key === key && own.code === item.code && own.name === item.name),
    ),
    where(({ changed }) =>
      changed.some((own) => isSameFunction(own, { key: key ?? "", name: item.name })),
    ),
    where(({ changed, obstacles }) => [...changed, ...obstacles].some((own) => own.key === key)),
    where((effect) => hasEffect(effect)),
  ];
  return choices.find((owners) => owners.length > 0) ?? [];
}
