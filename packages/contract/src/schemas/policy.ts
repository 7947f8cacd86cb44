/** Quality update policies: who gets what, when. The same settings stand in an agent's own policy file. */
import { type Static, Type } from "typebox";
import { HotpatchSetting, RestartSetting } from "../names.ts";
import { Id, Moment, Name, oneOf, Ratio, Reason, Text } from "./fields.ts";

/** A weekly window in the device's own time zone. One that ends before it begins ends the next day. */
export const MaintenanceWindow = Type.Object(
  {
    /** 0 is Sunday. */
    days: Type.Array(Type.Integer({ minimum: 0, maximum: 6 }), { minItems: 1, maxItems: 7 }),
    /** `22:00` */
    begin: Type.String({ pattern: "^(?:[01][0-9]|2[0-3]):[0-5][0-9]$" }),
    end: Type.String({ pattern: "^(?:[01][0-9]|2[0-3]):[0-5][0-9]$" }),
  },
  { additionalProperties: false },
);
export type MaintenanceWindow = Static<typeof MaintenanceWindow>;

/** What an agent looks at after each hotpatch. Any signal reverts the hotpatch live. */
export const HealthWatch = Type.Object(
  {
    hours: Type.Number({ minimum: 0, maximum: 720 }),
    /** Resident memory against the moment before the hotpatch: 1.5 is half as much again. */
    memoryRatioMax: Type.Optional(Type.Number({ minimum: 1, maximum: 100 })),
    /** Growth that goes on, in MiB an hour, over at least `memorySlopeMinutes`. */
    memorySlopeMax: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000 })),
    memorySlopeMinutes: Type.Optional(Type.Number({ minimum: 0.05, maximum: 1440 })),
    /** Processor time a second against the time before the hotpatch. */
    processorRatioMax: Type.Optional(Type.Number({ minimum: 1, maximum: 1000 })),
    logPatterns: Type.Optional(
      Type.Array(
        Type.Object(
          {
            file: Type.String({ pattern: "^/[^\\u0000]{1,1000}$" }),
            pattern: Type.String({ minLength: 1, maxLength: 200 }),
          },
          { additionalProperties: false },
        ),
        { maxItems: 10 },
      ),
    ),
    /** A program and its arguments; every exit status but 0 is a signal. */
    probe: Type.Optional(
      Type.Object(
        {
          command: Type.Array(Type.String({ minLength: 1, maxLength: 1000 }), {
            minItems: 1,
            maxItems: 50,
          }),
          user: Type.Optional(Type.String({ pattern: "^[a-z_][a-z0-9_-]{0,31}$" })),
          everySeconds: Type.Number({ minimum: 1, maximum: 86_400 }),
          timeoutSeconds: Type.Number({ minimum: 1, maximum: 600 }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type HealthWatch = Static<typeof HealthWatch>;

export const HEALTH_WATCH_DEFAULT: HealthWatch = { hours: 48, memoryRatioMax: 3 };

/** What a policy decides on a device. */
export const PolicySettings = Type.Object(
  {
    hotpatch: oneOf(HotpatchSetting),
    restart: oneOf(RestartSetting),
    /** Restarts happen within these only. None: never by itself, whatever `restart` says. */
    windows: Type.Array(MaintenanceWindow, { maxItems: 20 }),
    /** Hotpatches, too, wait for a window. */
    hotpatchInWindowOnly: Type.Boolean(),
    health: HealthWatch,
    /** When a hotpatch is refused or reverted: the package manager's update and a restart. */
    fallback: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type PolicySettings = Static<typeof PolicySettings>;

/** What holds where no policy does. */
export const POLICY_DEFAULT: PolicySettings = {
  hotpatch: HotpatchSetting.allow,
  restart: RestartSetting.ifRequired,
  windows: [],
  hotpatchInWindowOnly: false,
  health: HEALTH_WATCH_DEFAULT,
  fallback: true,
};

/** Numbers of a rollout: at 5 devices and at 500,000 (packages/server/src/domain/thresholds.ts). */
export const Gates = Type.Object(
  {
    /** Share of a group that must have it before the next group begins. */
    successThreshold: Ratio,
    /** Share that may fail, refuse or be reverted before the rollout is halted. */
    errorThreshold: Ratio,
    soakHours: Type.Number({ minimum: 0, maximum: 720 }),
    /** A person must approve the next group. */
    approval: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type Gates = Static<typeof Gates>;

export const GATES_DEFAULT: Gates = {
  successThreshold: 0.9,
  errorThreshold: 0.05,
  soakHours: 24,
  approval: false,
};

export const PolicyDraft = Type.Object(
  {
    name: Name,
    description: Type.Optional(Text),
    /** Whom it is for: groups (fixed or dynamic). None: every device. */
    groupIds: Type.Array(Id, { maxItems: 100 }),
    /** Of several policies for a device, the one with the highest number holds. */
    precedence: Type.Integer({ minimum: 0, maximum: 10_000 }),
    settings: PolicySettings,
    gates: Gates,
  },
  { additionalProperties: false },
);
export type PolicyDraft = Static<typeof PolicyDraft>;

export const Policy = Type.Object({
  id: Id,
  ...PolicyDraft.properties,
  changedAt: Moment,
  changedBy: Name,
});
export type Policy = Static<typeof Policy>;

export const WithReason = Type.Object({ reason: Reason }, { additionalProperties: false });
export type WithReason = Static<typeof WithReason>;
