/** What the release channel holds, as the control plane verified it. */
import { type Static, Type } from "typebox";
import { QualityUpdateKind, Severity } from "../names.ts";
import {
  BuildId,
  Count,
  Cve,
  Day,
  Moment,
  Name,
  oneOf,
  Sha256,
  TargetPath,
  Text,
} from "./fields.ts";

export const CatalogComponent = Type.Object({
  file: Type.String(),
  buildId: BuildId,
  package: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
});
export type CatalogComponent = Static<typeof CatalogComponent>;

export const QualityUpdate = Type.Object({
  target: TargetPath,
  sha256: Sha256,
  product: Name,
  kind: oneOf(QualityUpdateKind),
  id: Name,
  baseline: Name,
  /** 0 is the baseline itself. */
  sequence: Count,
  components: Type.Array(CatalogComponent),
  cves: Type.Array(Cve),
  severity: oneOf(Severity),
  supersedes: Type.Array(TargetPath),
  restartNeeded: Type.Boolean(),
  leftOut: Type.Array(
    Type.Object({
      source: Type.String(),
      cves: Type.Array(Cve),
      reason: Text,
      /** Another program or library of the package that does not get it; else its own. */
      component: Type.Optional(CatalogComponent),
    }),
  ),
  released: Day,
  withdrawn: Type.Optional(Type.Object({ date: Day, reason: Text })),
  /** Devices with one of its components, and those of them that have it. */
  devicesConcerned: Count,
  devicesProtected: Count,
});
export type QualityUpdate = Static<typeof QualityUpdate>;

export const CalendarRelease = Type.Object({
  /** `2026-10` */
  month: Type.String({ pattern: "^[0-9]{4}-[0-9]{2}$" }),
  kind: oneOf(QualityUpdateKind),
  /** Where it is announced. */
  day: Type.Optional(Day),
  note: Type.Optional(Text),
});
export type CalendarRelease = Static<typeof CalendarRelease>;

export const Catalog = Type.Object({
  /** When the channel was verified last, and what was wrong if it could not be. */
  verifiedAt: Type.Optional(Moment),
  problem: Type.Optional(Type.Object({ code: Type.String(), detail: Text, remediation: Text })),
  expiresAt: Type.Optional(Moment),
  updates: Type.Array(QualityUpdate),
  /** Products that the channel names and that cannot be trusted now. */
  problems: Type.Array(Type.Object({ product: Name, code: Type.String(), detail: Text })),
  calendar: Type.Array(CalendarRelease),
});
export type Catalog = Static<typeof Catalog>;
