/**
 * Makes the hotpatch of one program or library from several fixes.
 *
 * Fixes that can go in do go in. One that needs a restart is left out, if that is safe:
 *
 *     1. all fixes are tried together;
 *     2. where something is in the way, the fixes that it belongs to are left out, and with them
 *        all others of the same CVE: half a fix would be claimed as a whole one;
 *     3. the others must apply without them, else they are left out too;
 *     4. each function of the hotpatch must be what it is with all fixes. One that is not stands
 *        between a fix that goes in and one that does not: the former is left out too;
 *     5. what is left is tried again, until nothing is in the way or nothing is left.
 *
 * Which fix changes which function is known from each fix compiled by itself (fix-effects.ts).
 */
import assert from "node:assert/strict";
import { FixVerdict } from "@suture/release";
import type { About, Assembled } from "./assemble.ts";
import type { CompiledFix } from "./compare-trees.ts";
import {
  effectIn,
  type FixEffect,
  type FixStep,
  hasEffect,
  isSameFunction,
} from "./fix-effects.ts";
import { type FixInBinary, LEFT_OUT, manifestFix, type Obstacle } from "./fix-report.ts";
import { type ChangedName, plainName } from "./fixes.ts";
import {
  type FixesInModule,
  findMixed,
  type LeftOut,
  leaveOut,
  nameOf,
  obstaclesOf,
  ownersOfRefusal,
} from "./left-out.ts";
import { outcomeForModule, type PlacedFix, placeFix } from "./module-outcome.ts";
import type { Module } from "./module-symbols.ts";
import { type BuildRefusal, isBuildRefusal } from "./refusals.ts";

/** The fixes of a build, and how to compile any choice of them. */
export interface FixSet {
  readonly steps: readonly FixStep[];
  /** Whether some may be left out for others' sake. */
  readonly mayLeaveOut: boolean;
  /** All of them. */
  readonly everything: CompiledFix;
  /** Some of them, by index. */
  readonly compileSome: (
    kept: readonly number[],
  ) => Promise<CompiledFix | DoesNotApply | BuildRefusal>;
}

/** A fix that cannot be applied without those that are left out. */
export interface DoesNotApply {
  readonly doesNotApply: number;
  readonly detail: string;
}

export interface BinaryBuild {
  readonly assembled?: Assembled;
  /** Why some fixes are not in a hotpatch. */
  readonly refusal?: BuildRefusal;
  /** What became of each fix that touches the module, by its index. */
  readonly fixes: ReadonlyMap<number, InBinary>;
  /** Sources that some fix changes and that are not part of the module. */
  readonly absent: readonly string[];
}

type InBinary = Omit<FixInBinary, "file" | "buildId">;

/** Makes the hotpatch for a module with as many of the fixes as can go in together. */
export async function buildForBinary(
  set: FixSet,
  module: Module,
  about: Omit<About, "refused" | "patches" | "fixes">,
): Promise<BinaryBuild> {
  const { steps, everything } = set;
  const whole = placeFix(everything, module);
  const effects = new Map(
    steps.flatMap((step, index) => {
      const effect = effectIn(step, whole.inside);
      return effect.touches ? [[index, effect] as const] : [];
    }),
  );
  const fixes: FixesInModule = { steps, effects };
  const patches = steps.flatMap((step) => step.patches);
  let left: LeftOut = new Map();
  let refusal: BuildRefusal | undefined;
  const finish = (assembled?: Assembled): BinaryBuild => ({
    ...(assembled !== undefined && { assembled }),
    ...(refusal !== undefined && { refusal }),
    fixes: verdictsOf(effects, left, assembled),
    absent: whole.absent,
  });
  // Each turn leaves out at least one fix more, or is the last.
  for (let turn = 0; turn <= steps.length; turn += 1) {
    const kept = steps.flatMap((_, index) => (left.has(index) ? [] : [index]));
    const compiled = left.size === 0 ? everything : await set.compileSome(kept);
    if ("doesNotApply" in compiled) {
      left = leaveOut(left, textOverlap(compiled, left, fixes), fixes);
      continue;
    }
    if (isBuildRefusal(compiled)) return finish();
    const manifestFixes = (found: Pick<Assembled, "changed" | "added">) => {
      const verdicts = verdictsOf(effects, left, found);
      return steps.flatMap((step, index) =>
        step.patches.map((patch) => manifestFix(patch, verdicts.get(index))),
      );
    };
    const placed = left.size === 0 ? whole : placeFix(compiled, module);
    const outcome = outcomeForModule(placed, module, { ...about, patches, fixes: manifestFixes });
    if (outcome.kind === "not-concerned" || outcome.kind === "no-change") return finish();
    if (outcome.kind === "built") {
      const { assembled } = outcome;
      const functions = [...assembled.changed, ...assembled.added];
      const mixed =
        left.size === 0 ? new Map() : findMixed({ everything, compiled, functions }, left, fixes);
      if (mixed.size === 0) return finish(assembled);
      left = leaveOut(left, mixed, fixes);
      continue;
    }
    refusal ??= outcome.refusal;
    left = afterRefusal(outcome.refusal, { set, left, fixes, compiled });
    if (!set.mayLeaveOut) return finish();
  }
  assert.fail("each turn leaves out one fix more, and without any there is nothing to build");
}

/** What is left out after a refusal: the fixes that it is about, or all where that is not known. */
function afterRefusal(
  refusal: BuildRefusal,
  build: {
    readonly set: FixSet;
    readonly left: LeftOut;
    readonly fixes: FixesInModule;
    readonly compiled: CompiledFix;
  },
): LeftOut {
  const { left, fixes } = build;
  const remaining = new Map([...fixes.effects].filter(([index]) => !left.has(index)));
  const owners = ownersOfRefusal(refusal, { effects: remaining }, build.compiled);
  if (owners.size > 0 && build.set.mayLeaveOut) return leaveOut(left, owners, fixes);
  const others = owners.size > 0 ? [givenTogether(refusal)] : obstaclesOf(refusal);
  const all = [...remaining.keys()].map((index) => [index, owners.get(index) ?? others] as const);
  return new Map([...all, ...left]);
}

const givenTogether = (refusal: BuildRefusal): Obstacle => {
  const [first] = obstaclesOf(refusal);
  const detail = `${LEFT_OUT["given-together"]}: ${first?.name ?? refusal.refused}`;
  return { code: "given-together", name: first?.name ?? refusal.refused, detail };
};

function textOverlap(
  { doesNotApply, detail }: DoesNotApply,
  left: LeftOut,
  { steps }: FixesInModule,
): LeftOut {
  const paths = (index: number): readonly string[] =>
    (steps[index]?.patches ?? []).flatMap(({ files }) => files.map(({ path }) => path));
  const own = paths(doesNotApply);
  const obstacles = [...left.keys()]
    .filter((index) => paths(index).some((path) => own.includes(path)))
    .flatMap((index) => steps[index] ?? [])
    .map((step) => ({
      code: "overlaps",
      name: nameOf(step),
      detail: `${LEFT_OUT.overlaps}, and without it the patch does not apply: ${detail}`,
    }));
  return new Map([[doesNotApply, obstacles]]);
}

/** What became of each fix that touches the module, with a hotpatch that has these functions. */
function verdictsOf(
  effects: ReadonlyMap<number, FixEffect>,
  left: LeftOut,
  hotpatch: (Pick<Assembled, "changed" | "added"> & Partial<Assembled>) | undefined,
): ReadonlyMap<number, InBinary> {
  return new Map(
    [...effects].map(([index, effect]) => {
      const obstacles = left.get(index);
      if (hasEffect(effect) && obstacles !== undefined) {
        const empty = { functions: [], onlyAtStart: [] };
        return [index, { verdict: FixVerdict.restartNeeded, ...empty, obstacles }] as const;
      }
      const isOwn = (name: Pick<ChangedName, "key" | "name">): boolean =>
        effect.changed.some((change) => isSameFunction(change, name));
      const changed = (hotpatch?.changed ?? []).filter(isOwn);
      const own = [...changed, ...(hotpatch?.added ?? []).filter(isOwn)];
      const late = changed.filter(({ onlyAtStart }) => onlyAtStart);
      // A later fix takes back what is not in the hotpatch: it is as it was before.
      const verdict =
        own.length === 0
          ? FixVerdict.nothingToDo
          : late.length > 0
            ? FixVerdict.onlyAtStart
            : FixVerdict.inHotpatch;
      const id = own.length > 0 ? hotpatch?.description?.id : undefined;
      const found: InBinary = {
        verdict,
        ...(id !== undefined && { hotpatch: id }),
        functions: namesOf(own),
        onlyAtStart: namesOf(late),
        obstacles: [],
      };
      return [index, found] as const;
    }),
  );
}

const namesOf = (names: readonly Pick<ChangedName, "name">[]): readonly string[] =>
  [...new Set(names.map(({ name }) => plainName(name)))].sort();

/** The build for a module that no hotpatch can be made for: why, for all fixes that touch it. */
export function refusedForAll(
  { steps }: FixSet,
  refusal: BuildRefusal,
  placed: PlacedFix,
): BinaryBuild {
  const obstacles = obstaclesOf(refusal);
  const effects = steps.map((step) => effectIn(step, placed.inside));
  const left = new Map(effects.map((_, index) => [index, obstacles] as const));
  const touching = effects.flatMap((effect, index) =>
    effect.touches ? [[index, effect] as const] : [],
  );
  return { refusal, fixes: verdictsOf(new Map(touching), left, undefined), absent: placed.absent };
}
