/**
 * What the channel says of one quality update: the `custom` part of its target.
 *
 * A hotpatch is the target `PRODUCT/BASELINE/BUILD-ID.SEQUENCE.hotpatch`. The sequence stands in
 * the name because a ring that lags behind still applies the earlier hotpatch of its baseline when
 * the next one is out: both must be signed for at the same time. A baseline is the target
 * `PRODUCT/BASELINE/baseline.json`, whose content is this entry.
 */
import { updateListMax } from "../limits.ts";
import type { Component } from "../manifest.ts";
import {
  booleanOf,
  dayOf,
  distinctOf,
  integerOf,
  listOf,
  matching,
  objectOf,
  oneOf,
  textOf,
  wrong,
} from "./fields.ts";

export const UpdateKind = {
  baseline: "baseline",
  hotpatch: "hotpatch",
  /** Outside the calendar: a hotpatch, or a baseline where a restart is needed. */
  outOfBand: "out-of-band",
} as const;
export type UpdateKind = (typeof UpdateKind)[keyof typeof UpdateKind];

export const Severity = {
  critical: "critical",
  important: "important",
  moderate: "moderate",
  low: "low",
} as const;
export type Severity = (typeof Severity)[keyof typeof Severity];

export interface UpdateEntry {
  readonly format: 1;
  readonly kind: UpdateKind;
  /** The hotpatch's own id, or a name for the baseline. */
  readonly id: string;
  readonly baseline: string;
  /** From 1 within a baseline; 0 is the baseline itself. */
  readonly sequence: number;
  /** What it is for: one component of a hotpatch, all that a baseline consists of. */
  readonly components: readonly Component[];
  readonly cves: readonly string[];
  readonly severity: Severity;
  /** Targets of the same product that it makes unnecessary. */
  readonly supersedes: readonly string[];
  readonly restartNeeded: boolean;
  /** Fixes that it does not bring, and why. */
  readonly leftOut: readonly LeftOut[];
  /** The day it was added: `2026-10-13`. */
  readonly released: string;
  /** It was published and must no longer be applied. */
  readonly withdrawn?: Withdrawal;
}

export interface LeftOut {
  readonly source: string;
  readonly cves: readonly string[];
  readonly reason: string;
  /**
   * The program or library of the package that does not get the fix. Absent where it is the
   * update's own: only then do its CVEs not count as fixed.
   */
  readonly component?: Component;
}

export interface Withdrawal {
  readonly date: string;
  readonly reason: string;
}

export const productPattern = /^(?!(?:root|targets|snapshot|timestamp)$)[a-z0-9][a-z0-9.+-]{0,63}$/;
export const baselinePattern = /^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}$/;
export const updateTargetPattern =
  /^[a-z0-9][a-z0-9.+-]{0,63}\/[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}\/(?:baseline\.json|[0-9a-f]{16,128}\.[1-9][0-9]{0,8}\.hotpatch)$/;
export const cvePattern = /^CVE-[0-9]{4}-[0-9]{4,}$/;
const buildIdPattern = /^(?:[0-9a-f]{2}){8,64}$/;
const idPattern = /^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,119}$/;
const packagePattern = /^[a-z0-9][a-z0-9.+-]{1,99}$/;
const versionPattern = /^[0-9A-Za-z.+~:-]{1,120}$/;
const fileNamePattern = /^[^/]{1,255}$/;
const sequenceMax = 999_999_999;

/** The name of the target that an entry belongs to. */
export function targetOf(product: string, entry: UpdateEntry): string {
  const folder = `${product}/${entry.baseline}`;
  return entry.sequence === 0
    ? `${folder}/baseline.json`
    : `${folder}/${entry.components[0]?.buildId}.${entry.sequence}.hotpatch`;
}

/** Reads an entry, field by field; refuses what it does not know. Throws ReleaseError. */
export function parseUpdateEntry(value: unknown, field: string): UpdateEntry {
  const fields = objectOf(
    value,
    field,
    [
      ...["format", "kind", "id", "baseline", "sequence", "components", "cves", "severity"],
      ...["supersedes", "restartNeeded", "leftOut", "released"],
    ],
    ["withdrawn"],
  );
  if (fields.format !== 1) throw wrong(`${field}.format`, "expected 1");
  const components = listOf(fields.components, `${field}.components`, updateListMax);
  const entry: UpdateEntry = {
    format: 1,
    kind: oneOf(fields.kind, `${field}.kind`, Object.values(UpdateKind)),
    id: matching(fields.id, `${field}.id`, idPattern),
    baseline: matching(fields.baseline, `${field}.baseline`, baselinePattern),
    sequence: integerOf(fields.sequence, `${field}.sequence`, { min: 0, max: sequenceMax }),
    components: components.map((item, at) => parseComponent(item, `${field}.components[${at}]`)),
    cves: cvesOf(fields.cves, `${field}.cves`),
    severity: oneOf(fields.severity, `${field}.severity`, Object.values(Severity)),
    supersedes: distinctOf(fields.supersedes, `${field}.supersedes`, {
      pattern: updateTargetPattern,
      countMax: updateListMax,
    }),
    restartNeeded: booleanOf(fields.restartNeeded, `${field}.restartNeeded`),
    leftOut: listOf(fields.leftOut, `${field}.leftOut`, updateListMax).map((item, at) =>
      parseLeftOut(item, `${field}.leftOut[${at}]`),
    ),
    released: dayOf(fields.released, `${field}.released`),
    ...("withdrawn" in fields && {
      withdrawn: parseWithdrawal(fields.withdrawn, `${field}.withdrawn`),
    }),
  };
  checkKind(entry, field);
  return entry;
}

/** A baseline has sequence 0 and needs a restart; a hotpatch has one component and needs none. */
function checkKind({ kind, sequence, components, restartNeeded }: UpdateEntry, field: string) {
  if (kind === "baseline" && sequence !== 0) throw wrong(`${field}.sequence`, "expected 0");
  if (kind === "hotpatch" && sequence === 0) throw wrong(`${field}.sequence`, "expected 1 or more");
  if (restartNeeded !== (sequence === 0)) {
    throw wrong(`${field}.restartNeeded`, `expected ${sequence === 0}`);
  }
  const isCountRight = sequence === 0 ? components.length > 0 : components.length === 1;
  if (!isCountRight) throw wrong(`${field}.components`, `${components.length} components`);
}

function parseComponent(value: unknown, field: string): Component {
  const fields = objectOf(value, field, ["file", "buildId"], ["package", "version"]);
  return {
    file: matching(fields.file, `${field}.file`, fileNamePattern),
    buildId: matching(fields.buildId, `${field}.buildId`, buildIdPattern),
    ...("package" in fields && {
      package: matching(fields.package, `${field}.package`, packagePattern),
    }),
    ...("version" in fields && {
      version: matching(fields.version, `${field}.version`, versionPattern),
    }),
  };
}

function parseLeftOut(value: unknown, field: string): LeftOut {
  const fields = objectOf(value, field, ["source", "cves", "reason"], ["component"]);
  return {
    source: textOf(fields.source, `${field}.source`),
    cves: cvesOf(fields.cves, `${field}.cves`),
    reason: textOf(fields.reason, `${field}.reason`),
    ...("component" in fields && {
      component: parseComponent(fields.component, `${field}.component`),
    }),
  };
}

function parseWithdrawal(value: unknown, field: string): Withdrawal {
  const fields = objectOf(value, field, ["date", "reason"]);
  return {
    date: dayOf(fields.date, `${field}.date`),
    reason: textOf(fields.reason, `${field}.reason`),
  };
}

const cvesOf = (value: unknown, field: string): readonly string[] =>
  distinctOf(value, field, { pattern: cvePattern, countMax: updateListMax });
