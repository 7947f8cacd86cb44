/** A rollout with devices that do what a test says: the store and the agents, in memory. */
import {
  DeviceUpdateState,
  GATES_DEFAULT,
  RINGS_DEFAULT,
  type RolloutAction,
} from "@suture/contract";
import { isRefusal } from "./refusal.ts";
import { type Decision, decide } from "./rollout.ts";
import {
  gatherFacts,
  type RolloutDeviceRow,
  type RolloutFacts,
  type UpdateFacts,
} from "./rollout-facts.ts";
import { createRollout, type NewRollout, type Rollout } from "./rollout-state.ts";
import { act } from "./rollout-transitions.ts";

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
/** 2026-10-13, a second Tuesday. */
export const RELEASED = Date.UTC(2026, 9, 13);

export const planOfDefaultRings = RINGS_DEFAULT.map((ring, at) => ({
  ringId: `ring-${at}`,
  name: ring.name,
  deferralDays: ring.deferralDays,
  deadlineDays: ring.deadlineDays,
  graceDays: ring.graceDays,
}));

export const draftOf = (changes: Partial<NewRollout> = {}): Rollout =>
  createRollout({
    name: "redis 2026-10 hotpatch 1",
    target: "redis/2026-10/aabbccddeeff0011.1.hotpatch",
    author: "ada",
    gates: GATES_DEFAULT,
    groups: planOfDefaultRings,
    ...changes,
  });

export const rowsOf = (sizes: readonly number[]): RolloutDeviceRow[] =>
  sizes.flatMap((size, group) =>
    Array.from({ length: size }, (_, index) => ({
      deviceId: `device-${group}-${index}`,
      hostname: `host-${group}-${index}`,
      group,
      state: DeviceUpdateState.waiting,
      at: RELEASED,
      attempt: 0,
    })),
  );

/** Rollout, devices and clock; `step` decides and does what was decided, as the server would. */
export class World {
  rollout: Rollout;
  rows: Map<string, RolloutDeviceRow>;
  now = RELEASED;
  update: UpdateFacts | undefined = { released: RELEASED };
  fleetPaused = false;

  constructor(rollout: Rollout, rows: readonly RolloutDeviceRow[]) {
    this.rollout = rollout;
    this.rows = new Map(rows.map((row) => [row.deviceId, row]));
  }

  facts(): RolloutFacts {
    const { update, fleetPaused, now } = this;
    return gatherFacts(this.rollout, this.rows.values(), {
      ...(update && { update }),
      fleetPaused,
      now,
    });
  }

  decide(): Decision {
    return decide(this.rollout, this.facts(), this.now);
  }

  step(): Decision {
    const decision = this.decide();
    this.rollout = decision.rollout;
    for (const action of decision.actions) {
      if (action.kind === "offer") {
        const state = DeviceUpdateState.offered;
        this.change(action.devices, { state, attempt: action.attempt, at: this.now });
      }
      if (action.kind === "revert") this.change(action.devices, { revertAsked: true });
    }
    return decision;
  }

  change(devices: readonly string[], change: Partial<RolloutDeviceRow>): void {
    for (const id of devices) {
      const row = this.rows.get(id);
      if (row !== undefined) this.rows.set(id, { ...row, ...change });
    }
  }

  /** Devices of a group, or of all, that are in the state. */
  in(state: DeviceUpdateState, group?: number): string[] {
    return [...this.rows.values()]
      .filter((row) => row.state === state && (group === undefined || row.group === group))
      .map(({ deviceId }) => deviceId);
  }

  /** Everything that is offered gets applied. */
  applyAll(): void {
    this.change(this.in(DeviceUpdateState.offered), {
      state: DeviceUpdateState.applied,
      at: this.now,
    });
  }
}

/** Lets a person do it; throws where it is refused. */
export function mustAct(world: World, action: RolloutAction, by = "oskar", reason?: string): void {
  const after = act(world.rollout, { action, ...(reason && { reason }) }, by, world.now);
  if (isRefusal(after)) throw new Error(`${after.detail}; ${after.next}`);
  world.rollout = after;
}

/** A rollout through so many rings, submitted by ada and approved by petra. */
export function runningWorld(sizes: readonly number[], changes: Partial<NewRollout> = {}): World {
  const groups = draftOf()
    .groups.slice(0, sizes.length)
    .map(({ state: _, accepted: __, ...plan }) => plan);
  const world = new World(draftOf({ groups, ...changes }), rowsOf(sizes));
  mustAct(world, "submit", "ada");
  mustAct(world, "approve", "petra");
  return world;
}

/** Decides, does it, and gives the kinds of what was done. */
export const kindsOfStep = (world: World): string[] => world.step().actions.map(({ kind }) => kind);
/** `0 soak`: the group and the code of each wait. */
export const waitsOf = (world: World): string[] =>
  world.decide().reasons.map(({ group, code }) => `${group} ${code}`);

export const statesOf = (world: World): string[] => world.rollout.groups.map(({ state }) => state);
