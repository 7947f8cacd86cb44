/** The fixes that are left out of a hotpatch, and why. */
import type { CompiledFix } from "./compare-trees.ts";
import { diffObjects } from "./engine.ts";
import {
  type FixEffect,
  type FixStep,
  hasEffect,
  isSameFunction,
  ownersOf,
} from "./fix-effects.ts";
import { LEFT_OUT, type Obstacle } from "./fix-report.ts";
import { type ChangedName, commandKey, plainName } from "./fixes.ts";
import { type BuildRefusal, FINE, type RefusalItem } from "./refusals.ts";

/** Why each fix is left out, by its index. */
export type LeftOut = ReadonlyMap<number, readonly Obstacle[]>;

export interface FixesInModule {
  readonly steps: readonly FixStep[];
  /** What they do in the module, by index; those that do not touch it are not there. */
  readonly effects: ReadonlyMap<number, FixEffect>;
}

export const nameOf = ({ patches }: FixStep): string => patches.map(({ name }) => name).join(", ");

const cvesOf = ({ patches }: FixStep): readonly string[] => patches.flatMap(({ cves }) => cves);

/** Leaves out further fixes, and those of the same CVE that do something in the module. */
export function leaveOut(left: LeftOut, more: LeftOut, { steps, effects }: FixesInModule): LeftOut {
  const all = new Map([...more, ...left]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [index, effect] of effects) {
      const step = steps[index];
      if (all.has(index) || !hasEffect(effect) || step === undefined) continue;
      const other = [...all.keys()].flatMap((known) => steps[known] ?? []);
      const partner = other.find((known) =>
        cvesOf(known).some((cve) => cvesOf(step).includes(cve)),
      );
      if (partner === undefined) continue;
      const detail = `${LEFT_OUT["same-cve"]}: ${nameOf(partner)}`;
      all.set(index, [{ code: "same-cve", name: nameOf(partner), detail }]);
      grown = true;
    }
  }
  return all;
}

/** The fixes that the things in the way belong to, with these things. */
export function ownersOfRefusal(
  refusal: BuildRefusal,
  { effects }: Pick<FixesInModule, "effects">,
  { selected }: CompiledFix,
): LeftOut {
  const keyOf = (unit: string): string | undefined => {
    const found =
      selected.find(({ name }) => name === unit) ??
      selected.find(({ name }) => name.startsWith(`${unit}(`));
    return found && commandKey(found.command);
  };
  const owners = new Map<number, readonly Obstacle[]>();
  for (const item of refusal.items) {
    for (const index of ownersOf(item, effects, keyOf)) {
      // A thing of several fixes stands once for each among the items.
      const known = owners.get(index) ?? [];
      const isKnown = known.some(
        ({ code, name, unit }) => code === item.code && name === item.name && unit === item.unit,
      );
      if (!isKnown) owners.set(index, [...known, obstacleOf(item)]);
    }
  }
  return owners;
}

/** All that a refusal says is in the way. */
export const obstaclesOf = ({ items }: BuildRefusal): readonly Obstacle[] =>
  items.filter(({ code }) => code !== FINE).map(obstacleOf);

const obstacleOf = ({ code, name, detail, unit }: RefusalItem): Obstacle => ({
  code,
  name,
  detail,
  ...(unit !== undefined && { unit }),
});

/**
 * The fixes of a hotpatch whose functions are not what they are with all fixes, because one that
 * is left out changes them too.
 */
export function findMixed(
  built: {
    readonly everything: CompiledFix;
    readonly compiled: CompiledFix;
    readonly functions: readonly Pick<ChangedName, "key" | "name">[];
  },
  left: LeftOut,
  { steps, effects }: FixesInModule,
): LeftOut {
  const mixed = new Map<number, readonly Obstacle[]>();
  for (const { unit, after } of built.compiled.compiled) {
    const key = commandKey(unit.command);
    const own = built.functions.filter((name) => name.key === key);
    const other = built.everything.compiled.find((it) => commandKey(it.unit.command) === key);
    if (own.length === 0 || other === undefined) continue;
    const differing = diffObjects(after, other.after).changed.map(({ name }) => ({ key, name }));
    for (const name of own.filter((it) => differing.some((its) => isSameFunction(its, it)))) {
      const others = [...left.keys()].filter((index) => changes(effects.get(index), name));
      const names = others.flatMap((index) => steps[index] ?? []).map(nameOf);
      const whose =
        names.length > 0 ? names : [...left.keys()].flatMap((i) => steps[i] ?? []).map(nameOf);
      const kept = [...effects].filter(([index]) => !left.has(index));
      const exact = kept.filter(([, effect]) => changes(effect, name));
      const inUnit = kept.filter(([, { changed }]) => changed.some((it) => it.key === key));
      const owners = [exact, inUnit, kept].find((some) => some.length > 0) ?? [];
      for (const [index] of owners) {
        const detail = `${LEFT_OUT.overlaps}: ${plainName(name.name)}, also of ${whose.join(", ")}`;
        mixed.set(index, [
          ...(mixed.get(index) ?? []),
          { code: "overlaps", name: plainName(name.name), detail, unit: unit.name },
        ]);
      }
    }
  }
  return mixed;
}

const changes = (effect: FixEffect | undefined, name: Pick<ChangedName, "key" | "name">): boolean =>
  effect?.changed.some((own) => isSameFunction(own, name)) ?? false;
