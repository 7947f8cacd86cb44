/** What the network half knows about the device's readiness, added to what the executor found. */
import {
  type DeviceFacts,
  Readiness,
  type ReadinessFinding,
  ReadinessReason,
} from "@suture/contract";
import { ReleaseError } from "@suture/release";
import { NetworkError } from "./errors.ts";
import { channelFailuresMax, clockOffsetSecondsMax } from "./limits.ts";

export interface NetworkHealth {
  /** Why the executor cannot be asked. */
  readonly executorProblem: string | undefined;
  readonly channelProblem: { readonly error: unknown; readonly failures: number } | undefined;
  /** The state of the network half could not be written. */
  readonly isDiskFull: boolean;
  readonly clockOffsetSeconds: number;
}

/** Facts for the control plane: the executor's, with the network half's findings. */
export function withNetworkFindings(facts: DeviceFacts, health: NetworkHealth): DeviceFacts {
  const own = networkFindings(health).filter(
    ({ reason }) => !facts.findings.some((finding) => finding.reason === reason),
  );
  if (own.length === 0) return facts;
  return {
    ...facts,
    readiness: facts.readiness === Readiness.notRegistered ? facts.readiness : Readiness.notReady,
    findings: [...facts.findings, ...own].slice(0, 20),
  };
}

/** So wrong that the server would not accept this device's own time. */
export const isClockWrong = (offsetSeconds: number): boolean =>
  Math.abs(offsetSeconds) > clockOffsetSecondsMax;

function networkFindings(health: NetworkHealth): ReadinessFinding[] {
  const findings: ReadinessFinding[] = [];
  const { executorProblem, channelProblem, clockOffsetSeconds } = health;
  if (executorProblem !== undefined) {
    findings.push({
      reason: ReadinessReason.executorMissing,
      detail: text(executorProblem),
      remediation: "start it: systemctl start suture-executor",
    });
  }
  const channel = channelProblem && channelFinding(channelProblem);
  if (channel) findings.push(channel);
  if (health.isDiskFull && channel?.reason !== ReadinessReason.diskFull) {
    findings.push(diskFull("the network half's state could not be written"));
  }
  if (isClockWrong(clockOffsetSeconds)) {
    // Coarse, or each check-in would say something new.
    const minutes = Math.round(Math.abs(clockOffsetSeconds) / 60);
    const way = clockOffsetSeconds > 0 ? "behind" : "ahead of";
    findings.push({
      reason: ReadinessReason.clockWrong,
      detail: `this clock is about ${minutes} minutes ${way} the control plane's`,
      remediation: "set the clock, and let a time service keep it: timedatectl set-ntp true",
    });
  }
  return findings;
}

function channelFinding({
  error,
  failures,
}: NonNullable<NetworkHealth["channelProblem"]>): ReadinessFinding | undefined {
  if (error instanceof NetworkError && error.code === "disk-full") return diskFull(error.message);
  if (failures < channelFailuresMax) return undefined;
  const isTrustProblem = error instanceof ReleaseError && error.code !== "unreachable";
  const detail = text(error instanceof Error ? error.message : String(error));
  return isTrustProblem
    ? {
        reason: ReadinessReason.channelNotTrusted,
        detail,
        remediation: "look with: suture release verify --url URL --root FILE",
      }
    : {
        reason: ReadinessReason.channelUnreachable,
        detail,
        remediation: "look at the network, and at the address in /etc/suture/agent.json",
      };
}

const diskFull = (detail: string): ReadinessFinding => ({
  reason: ReadinessReason.diskFull,
  detail: text(detail),
  remediation: "make room below /var/lib/suture",
});

const text = (value: string): string => value.slice(0, 500).replace(/[^\x20-\x7e]/g, "?");
