/** What this device is to do: by its own policy file, or by the control plane's assignment. */
import {
  type AssignedTarget,
  type Assignment,
  POLICY_DEFAULT,
  PolicySettings,
} from "@suture/contract";
import { Check } from "typebox/value";
import { AgentError } from "../errors.ts";
import { objectFromBytes } from "../fields.ts";
import { settingsBytesMax } from "../limits.ts";

export interface Orders {
  readonly source: "none" | "policy" | "assignment";
  /** After it nothing new is applied; what is applied stays and stays watched. */
  readonly expiresAt?: Date;
  readonly paused: boolean;
  /** The targets that may be applied: all that the channel signs, or those that are named. */
  readonly allowed: "all" | ReadonlyMap<string, AssignedTarget>;
  /** The targets to revert, with the reason. */
  readonly reverts: ReadonlyMap<string, string>;
  readonly policy: PolicySettings;
}

/** Nothing is allowed. What is applied is watched by the default. */
export const noOrders: Orders = {
  source: "none",
  paused: false,
  allowed: new Map(),
  reverts: new Map(),
  policy: POLICY_DEFAULT,
};

export const ordersOfPolicy = (policy: PolicySettings): Orders => ({
  ...noOrders,
  source: "policy",
  allowed: "all",
  policy,
});

export const ordersOfAssignment = (assignment: Assignment): Orders => ({
  source: "assignment",
  expiresAt: new Date(assignment.expiresAt),
  paused: assignment.paused,
  allowed: new Map(assignment.apply.map((entry) => [entry.target, entry])),
  reverts: new Map(assignment.revert.map(({ target, reason }) => [target, reason])),
  policy: assignment.policy,
});

/** Root's policy file. Throws AgentError `settings-field`. */
export function parsePolicy(bytes: Uint8Array, file: string): PolicySettings {
  if (bytes.length > settingsBytesMax) {
    throw new AgentError("settings-field", file, `${bytes.length} bytes`);
  }
  const value = objectFromBytes(bytes, { code: "settings-field", field: file });
  if (!Check(PolicySettings, value)) {
    throw new AgentError("settings-field", file, "not the settings of a quality update policy");
  }
  return value;
}
