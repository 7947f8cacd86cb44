/**
 * Which alerts stand: what needs an operator, with a reason code and what to do.
 *
 * `alertsOf` gives all alerts that the facts make true now, each with a key. The caller keeps them:
 * `compareAlerts` says which are new and which have resolved themselves. Nothing is raised twice
 * while it stands, and what a person acknowledged stays acknowledged as long as it stands.
 */
import { AlertSeverity, Readiness, type ReadinessFinding, RolloutState } from "@suture/contract";
import { durationText } from "./duration-text.ts";
import { type CatalogIndex, type CatalogUpdate, momentOfDay } from "./quality-updates.ts";
import type { SignalFacts } from "./rollout-facts.ts";
import { HaltCode, type Rollout } from "./rollout-state.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** Every code with its severity. */
export const ALERT_CODES = {
  "health-revert": AlertSeverity.critical,
  "rollout-halted": AlertSeverity.critical,
  "rollout-blocked": AlertSeverity.warning,
  "update-withdrawn": AlertSeverity.critical,
  "expedite-to-review": AlertSeverity.information,
  "device-silent": AlertSeverity.warning,
  "device-not-ready": AlertSeverity.warning,
  "baseline-due": AlertSeverity.information,
  "channel-expiring": AlertSeverity.warning,
  "channel-expired": AlertSeverity.critical,
  "channel-problem": AlertSeverity.critical,
} as const satisfies Readonly<Record<string, AlertSeverity>>;
export type AlertCode = keyof typeof ALERT_CODES;

export interface StandingAlert {
  /** One alert a key stands at a time. */
  readonly key: string;
  readonly code: AlertCode;
  readonly severity: AlertSeverity;
  readonly text: string;
  readonly remediation: string;
  readonly deviceId?: string;
  readonly rolloutId?: string;
}

/** A device without contact for this long is silent; agents check in every few minutes. */
export const SILENT_MS = DAY;
/** The channel's timestamp is renewed daily and holds for 7 days: 2 days late is a fault. */
export const EXPIRY_WARNING_MS = 2 * DAY;
/** A planned baseline is announced this long before its day, so that windows can be kept free. */
export const BASELINE_NOTICE_DAYS = 7;

export interface AlertDevice {
  readonly id: string;
  readonly hostname: string;
  readonly enrolledAt: number;
  readonly lastSeenAt?: number;
  readonly readiness: Readiness;
  readonly findings: readonly ReadinessFinding[];
}

export interface AlertRollout {
  readonly id: string;
  readonly rollout: Rollout;
  /** Devices that a health signal reverted. */
  readonly signals: readonly SignalFacts[];
  /** Waits of the newest decision that only a person ends. */
  readonly blocked?: { readonly group: string; readonly text: string };
  /** Devices that have it. */
  readonly holders: number;
}

export interface AlertChannel {
  readonly expiresAt?: number;
  /** Why it could not be verified, and since when. */
  readonly problem?: {
    readonly code: string;
    readonly detail: string;
    readonly remediation: string;
  };
}

export interface PlannedBaseline {
  readonly day: string;
  readonly product?: string;
}

export interface AlertFacts {
  readonly devices: Iterable<AlertDevice>;
  readonly rollouts: readonly AlertRollout[];
  readonly channel?: AlertChannel;
  readonly baselines: readonly PlannedBaseline[];
  readonly now: number;
}

/** All alerts that stand, in a fixed order: rollouts, channel, calendar, devices. */
export function alertsOf(facts: AlertFacts): StandingAlert[] {
  const { devices, rollouts, channel, baselines, now } = facts;
  return [
    ...rollouts.flatMap((rollout) => rolloutAlerts(rollout)),
    ...channelAlerts(channel ?? {}, now),
    ...baselines.flatMap((baseline) => baselineAlert(baseline, now)),
    ...[...devices].flatMap((device) => deviceAlerts(device, now)),
  ];
}

type AlertFields = Omit<StandingAlert, "severity" | "key"> & { readonly about: string };

const alert = ({ about, ...fields }: AlertFields): StandingAlert => ({
  key: `${fields.code} ${about}`,
  severity: ALERT_CODES[fields.code],
  ...fields,
});

function rolloutAlerts({ id, rollout, signals, blocked, holders }: AlertRollout): StandingAlert[] {
  const alerts = signals.map(({ signal, deviceId, hostname }) =>
    alert({
      code: "health-revert",
      about: `${id} ${deviceId}`,
      text: `${hostname}: the health signal ${signal} reverted ${rollout.name} live.`,
      remediation: `Look at the device's history and logs before it is offered to more devices.`,
      deviceId,
      rolloutId: id,
    }),
  );
  if (rollout.state === RolloutState.halted) alerts.push(haltAlert(id, rollout, holders));
  if (rollout.state === RolloutState.running && blocked !== undefined) {
    alerts.push(
      alert({
        code: "rollout-blocked",
        about: id,
        text: `${rollout.name} does not get on in ${blocked.group}: ${blocked.text}`,
        remediation:
          "Retry the devices that erred, look for the silent ones, or begin the next group.",
        rolloutId: id,
      }),
    );
  }
  if (rollout.expedite !== undefined && rollout.submittedAt !== undefined) {
    alerts.push(
      alert({
        code: "expedite-to-review",
        about: id,
        text: `${rollout.author} expedited ${rollout.name}: ${rollout.expedite.reason}`,
        remediation: "Review whether that was right, and acknowledge this alert.",
        rolloutId: id,
      }),
    );
  }
  return alerts;
}

function haltAlert(id: string, { name, halted }: Rollout, holders: number): StandingAlert {
  const count = `${holders} ${holders === 1 ? "device" : "devices"}`;
  if (halted?.code === HaltCode.updateWithdrawn) {
    return alert({
      code: "update-withdrawn",
      about: id,
      text: `${name}: ${halted.text}`,
      remediation: `Revert it live: ${count} may have it.`,
      rolloutId: id,
    });
  }
  return alert({
    code: "rollout-halted",
    about: id,
    text: `${name} is halted: ${halted?.text ?? "see its evidence"}`,
    remediation: `Revert it live (${count} may have it), or resume it if the cause is another.`,
    rolloutId: id,
  });
}

function channelAlerts({ expiresAt, problem }: AlertChannel, now: number): StandingAlert[] {
  const alerts: StandingAlert[] = [];
  if (problem !== undefined) {
    alerts.push(
      alert({
        code: "channel-problem",
        about: problem.code,
        text: `The release channel could not be verified (${problem.code}): ${problem.detail}`,
        remediation: problem.remediation,
      }),
    );
  }
  if (expiresAt === undefined || expiresAt - now > EXPIRY_WARNING_MS) return alerts;
  const isOver = now >= expiresAt;
  alerts.push(
    alert({
      code: isOver ? "channel-expired" : "channel-expiring",
      about: "channel",
      text: isOver
        ? `The release channel has expired ${agoText(now - expiresAt)}; devices apply nothing new.`
        : `The release channel expires in ${roughText(expiresAt - now)}.`,
      remediation: "Sign anew: suture release publish --timestamp-only; or see who signs what.",
    }),
  );
  return alerts;
}

function baselineAlert({ day, product }: PlannedBaseline, now: number): StandingAlert[] {
  const moment = momentOfDay(day);
  if (now < moment - BASELINE_NOTICE_DAYS * DAY || now >= moment + DAY) return [];
  const what = product === undefined ? "A baseline" : `A baseline of ${product}`;
  return [
    alert({
      code: "baseline-due",
      about: `${day} ${product ?? ""}`.trim(),
      text: `${what} is planned for ${day}. It needs restarts.`,
      remediation: "Look whether maintenance windows are set for the devices that need it.",
    }),
  ];
}

function deviceAlerts(device: AlertDevice, now: number): StandingAlert[] {
  const { id, hostname, enrolledAt, lastSeenAt, readiness, findings } = device;
  const silentMs = now - (lastSeenAt ?? enrolledAt);
  if (silentMs > SILENT_MS) {
    // What it told before it fell silent may be long untrue.
    return [
      alert({
        code: "device-silent",
        about: id,
        text: `${hostname} was ${lastSeenAt === undefined ? "never heard" : `last heard ${agoText(silentMs)}`}.`,
        remediation: "Look whether it runs, and on it: suture status. Remove it if it is gone.",
        deviceId: id,
      }),
    ];
  }
  if (readiness !== Readiness.notReady) return [];
  const reasons = findings.map(({ reason }) => reason).sort();
  return [
    alert({
      code: "device-not-ready",
      about: [id, ...reasons].join(" "),
      text: `${hostname} is not ready: ${findings.map(({ detail }) => detail).join(" ") || "no reason told."}`,
      remediation:
        findings.map(({ remediation }) => remediation).join(" ") || "On it: suture readiness.",
      deviceId: id,
    }),
  ];
}

/** In whole hours up to two days, then in whole days: a text that seldom changes. */
function roughText(ms: number): string {
  const unit = ms >= 2 * DAY ? DAY : HOUR;
  return durationText(Math.max(1, Math.floor(ms / unit)) * unit);
}

const agoText = (ms: number): string => `${roughText(ms)} ago`;

export interface AlertChanges<Kept> {
  readonly raised: readonly StandingAlert[];
  readonly resolved: readonly Kept[];
  /** Standing still, with a text that changed. */
  readonly changed: readonly { readonly kept: Kept; readonly alert: StandingAlert }[];
}

/** What is to be done to the alerts that are kept and not resolved, so that they are these. */
export function compareAlerts<Kept extends { readonly key: string; readonly text: string }>(
  kept: readonly Kept[],
  standing: readonly StandingAlert[],
): AlertChanges<Kept> {
  const now = new Map(standing.map((each) => [each.key, each]));
  const before = new Set(kept.map(({ key }) => key));
  return {
    raised: [...now.values()].filter(({ key }) => !before.has(key)),
    resolved: kept.filter(({ key }) => !now.has(key)),
    changed: kept.flatMap((each) => {
      const found = now.get(each.key);
      return found !== undefined && found.text !== each.text ? [{ kept: each, alert: found }] : [];
    }),
  };
}

/** Announced baselines that no update of the channel has brought yet. */
export function baselinesToCome(
  index: CatalogIndex,
  entries: readonly {
    readonly date: string;
    readonly kind: string;
    readonly product?: string;
  }[],
): PlannedBaseline[] {
  const updates: readonly CatalogUpdate[] = [...index.byTarget.values()];
  return entries.flatMap(({ date, kind, product }) => {
    const isThere = updates.some(
      (update) =>
        update.sequence === 0 &&
        (product === undefined || update.product === product) &&
        update.released >= date,
    );
    if (kind !== "baseline" || isThere) return [];
    return [{ day: date, ...(product !== undefined && { product }) }];
  });
}
