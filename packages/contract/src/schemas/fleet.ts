/** How devices are put together: groups, dynamic scopes, deployment rings. */
import { type Static, Type } from "typebox";
import { Readiness, RingKind } from "../names.ts";
import { Count, Id, LIST_MAX, Moment, Name, oneOf, Tag, Text } from "./fields.ts";

const Condition = (self: ReturnType<typeof Type.Ref>) =>
  Type.Union([
    Type.Object(
      { all: Type.Array(self, { minItems: 1, maxItems: 20 }) },
      { additionalProperties: false },
    ),
    Type.Object(
      { any: Type.Array(self, { minItems: 1, maxItems: 20 }) },
      { additionalProperties: false },
    ),
    Type.Object({ not: self }, { additionalProperties: false }),
    Type.Object({ tag: Tag }, { additionalProperties: false }),
    /** A package of this name runs in some process. */
    Type.Object(
      { package: Type.String({ minLength: 1, maxLength: 100 }) },
      { additionalProperties: false },
    ),
    Type.Object({ buildId: Type.String({ maxLength: 128 }) }, { additionalProperties: false }),
    Type.Object({ readiness: oneOf(Readiness) }, { additionalProperties: false }),
    /** The system's name begins with it: `Debian GNU/Linux 12`. */
    Type.Object(
      { system: Type.String({ minLength: 1, maxLength: 200 }) },
      { additionalProperties: false },
    ),
    /** `*` stands for any characters. */
    Type.Object(
      { hostname: Type.String({ minLength: 1, maxLength: 200 }) },
      { additionalProperties: false },
    ),
  ]);

/** A filter over what is known of a device. At most 8 levels deep (packages/server/src/domain). */
export const Scope = Type.Cyclic({ Scope: Condition(Type.Ref("Scope")) }, "Scope");
export type Scope =
  | { all: Scope[] }
  | { any: Scope[] }
  | { not: Scope }
  | { tag: string }
  | { package: string }
  | { buildId: string }
  | { readiness: Readiness }
  | { system: string }
  | { hostname: string };

export const GroupDraft = Type.Object(
  {
    name: Name,
    description: Type.Optional(Text),
    /** A fixed list, or … */
    deviceIds: Type.Optional(Type.Array(Id, { maxItems: 10 * LIST_MAX })),
    /** … a dynamic scope. Exactly one of the two. */
    scope: Type.Optional(Scope),
  },
  { additionalProperties: false },
);
export type GroupDraft = Static<typeof GroupDraft>;

export const Group = Type.Object({
  id: Id,
  ...GroupDraft.properties,
  devices: Count,
  changedAt: Moment,
  changedBy: Name,
});
export type Group = Static<typeof Group>;

const days = (most: number) => Type.Number({ minimum: 0, maximum: most });

export const RingDraft = Type.Object(
  {
    name: Name,
    kind: oneOf(RingKind),
    /** Rings go one after the other by this number: Test is 0. */
    order: Type.Integer({ minimum: 0, maximum: 100 }),
    /** After publication. */
    deferralDays: days(365),
    /** After the deferral: then windows are no longer waited for. */
    deadlineDays: days(365),
    /** After the deadline: then a restart that is needed is made. */
    graceDays: days(365),
  },
  { additionalProperties: false },
);
export type RingDraft = Static<typeof RingDraft>;

export const Ring = Type.Object({ id: Id, ...RingDraft.properties, devices: Count });
export type Ring = Static<typeof Ring>;

/** Deferral, deadline and grace in days. */
export const RINGS_DEFAULT: readonly RingDraft[] = [
  { name: "Test", kind: "test", order: 0, deferralDays: 0, deadlineDays: 0, graceDays: 0 },
  { name: "Ring 1", kind: "ring", order: 1, deferralDays: 1, deadlineDays: 2, graceDays: 2 },
  { name: "Ring 2", kind: "ring", order: 2, deferralDays: 5, deadlineDays: 2, graceDays: 2 },
  { name: "Ring 3", kind: "ring", order: 3, deferralDays: 9, deadlineDays: 5, graceDays: 2 },
  { name: "Last", kind: "last", order: 4, deferralDays: 10, deadlineDays: 3, graceDays: 2 },
];
