/** What a person may do with a rollout now, and what that would mean in numbers. */
import { RolloutAction, type RolloutChoice } from "@suture/contract";
import { devicesConcerned, heardOf, type RolloutFacts } from "./rollout-facts.ts";
import { nextGroupOf, type Rollout } from "./rollout-state.ts";
import { askingGroupOf, checkAction } from "./rollout-transitions.ts";

const A = RolloutAction;

/** All actions in their order, allowed or not, for the account `by`. */
export const choicesOf = (rollout: Rollout, facts: RolloutFacts, by: string): RolloutChoice[] =>
  Object.values(A).map((action) => {
    const refusal = checkAction(rollout, action, by);
    return {
      action,
      allowed: refusal === undefined,
      ...(refusal && { why: `${refusal.detail}; ${refusal.next}` }),
      effect: effectText(rollout, facts, action),
    };
  });

function effectText(rollout: Rollout, facts: RolloutFacts, action: RolloutAction): string {
  const of = (group: number): number => {
    const ofGroup = facts.groups[group];
    return ofGroup === undefined ? 0 : devicesConcerned(ofGroup);
  };
  const all = sum(facts, devicesConcerned);
  const notYet = sum(facts, (group) => devicesConcerned(group) - heardOf(group));
  const asking = askingGroupOf(rollout);
  const next = rollout.groups[nextGroupOf(rollout)];
  const isGroup = asking >= 0 && rollout.state === "running";
  switch (action) {
    case A.submit:
      return `Asks for approval to bring it to ${devices(all)} in ${groups(rollout)}.`;
    case A.approve:
      return isGroup
        ? `Begins ${rollout.groups[asking]?.name}: offers it to ${devices(of(asking))}.`
        : `Starts the rollout to ${devices(all)} in ${groups(rollout)}.`;
    case A.reject:
      return isGroup
        ? `Pauses the rollout before ${rollout.groups[asking]?.name}.`
        : "Gives it back to its author as a draft.";
    case A.pause:
      return `Nothing more is offered: ${devices(notYet)} would not get it until it is resumed.`;
    case A.resume:
      return rollout.halted === undefined
        ? `Goes on to ${devices(notYet)} that do not have it.`
        : `Accepts the errors so far, and goes on to ${devices(notYet)}.`;
    case A.stop:
      return `Ends it: ${devices(notYet)} will not get it. What is applied stays applied.`;
    case A.next:
      return next === undefined
        ? "There is no group to begin."
        : `Begins ${next.name} without waiting: offers it to ${devices(of(nextGroupOf(rollout)))}.`;
    case A.retry:
      return `Offers it again to ${devices(sum(facts, ({ otherErrors }) => otherErrors))}.`;
    case A.revert:
      return `Reverts it live on ${devices(sum(facts, ({ toRevert }) => toRevert.length))} that have it or may have it.`;
  }
}

type OfGroup = (group: RolloutFacts["groups"][number]) => number;

const sum = (facts: RolloutFacts, of: OfGroup): number =>
  facts.groups.reduce((total, group) => total + of(group), 0);

const devices = (count: number): string => `${count} ${count === 1 ? "device" : "devices"}`;

const groups = ({ groups: { length } }: Rollout): string =>
  `${length} ${length === 1 ? "group" : "groups"}`;
