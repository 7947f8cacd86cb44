/** Why a group does not move: a code for programs, a sentence for people, a moment where known. */
import { DeviceUpdateState, RolloutState } from "@suture/contract";
import { durationText } from "./duration-text.ts";
import { devicesConcerned, type GroupFacts, successesOf } from "./rollout-facts.ts";

/** Every code that a group may wait with, and what it means. */
export const WAIT_CODES = {
  "not-submitted": "the rollout is a draft",
  "rollout-approval": "the rollout waits for its approval",
  paused: "a person paused the rollout",
  "fleet-paused": "a person paused everything",
  halted: "the rollout stopped by itself",
  stopped: "a person stopped the rollout",
  reverting: "the update is being reverted",
  reverted: "the update was reverted",
  "update-unknown": "the verified release channel does not have the update",
  "previous-group": "a group before it is not through",
  deferral: "the ring's deferral is not over",
  "group-approval": "a person must approve the group",
  "devices-outstanding": "too few devices have it yet",
  "devices-silent": "too few devices answer, and their time is over",
  "devices-erred": "too many devices erred for the success threshold, and not enough to halt",
  soak: "the soak time is not over",
  "soak-fallen": "during the soak time it fell below the success threshold",
} as const;
export type WaitCode = keyof typeof WAIT_CODES;

export interface WaitReason {
  /** Place of the group in the rollout. */
  readonly group: number;
  readonly ringId: string;
  readonly code: WaitCode;
  readonly text: string;
  /** When it goes on, if nothing else comes between. */
  readonly until?: number;
}

export type Wait = Omit<WaitReason, "group" | "ringId">;

const RP = RolloutState;

/** Waits of the whole rollout, by its state. Running and completed rollouts have none. */
export function waitOfState(state: RolloutState, haltText: string | undefined): Wait | undefined {
  switch (state) {
    case RP.draft:
      return { code: "not-submitted", text: "Not submitted yet." };
    case RP.waitingForApproval:
      return { code: "rollout-approval", text: "An approver must approve the rollout." };
    case RP.paused:
      return { code: "paused", text: "Paused. Resume the rollout to go on." };
    case RP.halted:
      return { code: "halted", text: `Halted: ${haltText ?? "see its evidence"}` };
    case RP.stopped:
      return { code: "stopped", text: "Stopped. What is applied stays applied." };
    case RP.reverting:
      return { code: "reverting", text: "The update is being reverted." };
    case RP.reverted:
      return { code: "reverted", text: "The update was reverted." };
    case RP.running:
    case RP.completed:
      return undefined;
  }
}

export const deferralWait = (ms: number, until: number): Wait => ({
  code: "deferral",
  text: `Deferred for ${durationText(ms)} after publication.`,
  until,
});

export const soakWait = (ms: number, until: number): Wait => ({
  code: "soak",
  text: `Soaks for ${durationText(ms)}.`,
  until,
});

export const previousGroupWait = (name: string): Wait => ({
  code: "previous-group",
  text: `Waits until ${name} is through.`,
});

const S = DeviceUpdateState;

const WORDS: readonly (readonly [DeviceUpdateState, string])[] = [
  [S.waiting, "not offered"],
  [S.offered, "silent"],
  [S.applying, "applying"],
  [S.restartPending, "restart pending"],
  [S.refused, "refused"],
  [S.failed, "failed"],
  [S.reverted, "reverted"],
];

/** `3 of 5 devices have it, 5 are needed (1 silent, 1 refused).` */
export function progressText(facts: GroupFacts, needed: number): string {
  const rest = WORDS.flatMap(([state, word]) => {
    const count = facts.counts[state] ?? 0;
    return count > 0 ? [`${count} ${word}`] : [];
  });
  const who = `${successesOf(facts)} of ${devicesConcerned(facts)} devices have it`;
  const others = rest.length > 0 ? ` (${rest.join(", ")})` : "";
  return `${who}, ${needed} ${needed === 1 ? "is" : "are"} needed${others}.`;
}

/** Waits that end by a person's action only, however long one waits. */
const BLOCKING: readonly WaitCode[] = ["devices-erred", "devices-silent", "soak-fallen"];

/** The first of the reasons that calls for a person; approvals are asked for elsewhere. */
export const blockingReason = (reasons: readonly WaitReason[]): WaitReason | undefined =>
  reasons.find(({ code }) => BLOCKING.includes(code));
