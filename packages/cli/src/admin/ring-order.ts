/** Puts changes of rings in an order in which the server takes each of them. */
import type { RingDraft } from "@suture/contract";

export interface RingStep {
  /** The ring as it is; absent for a new one. */
  readonly id?: string;
  /** As it will be; absent where it is removed. */
  readonly draft?: RingDraft;
}

export interface RingPlan {
  readonly steps: readonly RingStep[];
  /** Why the rings cannot be together as they are wanted. */
  readonly conflict?: string;
}

type Placed = RingDraft & { readonly id?: string };

const orderMax = 100;

/**
 * Every step leaves rings that may be together: names and places distinct, one Test ring at most
 * and in front, one Last ring at most and at the end. Rings that change places with each other
 * make room first, in steps of their own.
 */
export function orderRingSteps(
  present: readonly (RingDraft & { readonly id: string })[],
  wanted: readonly RingStep[],
): RingPlan {
  const conflict = conflictOf(wanted.reduce(applied, present));
  if (conflict !== undefined) return { steps: [], conflict };
  const direct = takeWhilePossible({ rings: present, left: wanted });
  if (direct.left.length === 0) return { steps: direct.steps };
  // A new ring has no id yet and could not make room.
  const old = wanted.filter(({ id }) => id !== undefined);
  const first = takeWhilePossible({ rings: present, left: old });
  const room = makeRoom(first.rings);
  const moved = room.filter(({ id }) => first.left.every((step) => step.id !== id));
  const left = [
    ...wanted.filter((step) => !first.steps.includes(step)),
    ...moved.flatMap(({ id }) => first.rings.filter((ring) => ring.id === id).map(stepTo)),
  ];
  const second = takeWhilePossible({ rings: room.reduce(applied, first.rings), left });
  // What is left then is for the server to refuse.
  return { steps: [...first.steps, ...room, ...second.steps, ...second.left] };
}

function stepTo({ id, ...draft }: Placed): RingStep {
  return { ...(id !== undefined && { id }), draft };
}

interface Rest {
  readonly rings: readonly Placed[];
  readonly left: readonly RingStep[];
}

function takeWhilePossible({ rings, left }: Rest): Rest & { readonly steps: readonly RingStep[] } {
  const steps: RingStep[] = [];
  let state = rings;
  let rest = left;
  for (;;) {
    const step = rest.find((candidate) => conflictOf(applied(state, candidate)) === undefined);
    if (step === undefined) return { rings: state, left: rest, steps };
    steps.push(step);
    state = applied(state, step);
    rest = rest.filter((other) => other !== step);
  }
}

/** All rings but Test at the highest places, the last one first, so that their order stays. */
function makeRoom(rings: readonly Placed[]): RingStep[] {
  const movable = rings.filter(({ kind }) => kind !== "test");
  const fromTheEnd = movable.sort((a, b) => b.order - a.order);
  return fromTheEnd.flatMap(({ id, ...draft }, at) =>
    id === undefined || draft.order === orderMax - at
      ? []
      : [{ id, draft: { ...draft, order: orderMax - at } }],
  );
}

function applied(rings: readonly Placed[], { id, draft }: RingStep): readonly Placed[] {
  const others = id === undefined ? rings : rings.filter((ring) => ring.id !== id);
  return draft === undefined ? others : [...others, { ...draft, ...(id !== undefined && { id }) }];
}

function conflictOf(rings: readonly Placed[]): string | undefined {
  const ordered = [...rings].sort((a, b) => a.order - b.order);
  for (const [at, ring] of ordered.entries()) {
    const { name, order, kind } = ring;
    const same = ordered.find((other) => other !== ring && sameName(other, ring));
    if (same !== undefined) return `two rings are called ${name}`;
    if (ordered[at - 1]?.order === order) {
      return `the rings ${ordered[at - 1]?.name} and ${name} have the same order ${order}`;
    }
    if (kind === "test" && at > 0) return `the test ring ${name} must be before all others`;
    if (kind === "last" && at < ordered.length - 1) {
      return `the last ring ${name} must be after all others`;
    }
  }
  return undefined;
}

const sameName = (a: Placed, b: Placed): boolean => a.name.toLowerCase() === b.name.toLowerCase();
