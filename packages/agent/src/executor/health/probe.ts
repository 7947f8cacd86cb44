/** The probe command of a policy: run every so often as a user without rights, never twice at once. */
import { readFileSync } from "node:fs";
import type { HealthWatch } from "@suture/contract";
import { printable } from "../../fields.ts";
import type { CommandOutcome, RunCommand } from "../../inventory/command-runner.ts";

type Probe = NonNullable<HealthWatch["probe"]>;

export interface ProbeRunner {
  /** Begins a run if it is time, and tells what the last one found since it was asked. */
  readonly tick: (probe: Probe, clock: number) => string | undefined;
}

/** Whom a probe runs as that names nobody. */
const DEFAULT_USER = "nobody";

/** A runner for one watch. */
export function createProbeRunner(run: RunCommand, passwdFile?: string): ProbeRunner {
  let isRunning = false;
  let lastAt: number | undefined;
  let found: string | undefined;
  return {
    tick: (probe, clock) => {
      const isTime = lastAt === undefined || clock - lastAt >= probe.everySeconds * 1000;
      if (isTime && !isRunning) {
        isRunning = true;
        lastAt = clock;
        void runProbe(run, probe, passwdFile).then((problem) => {
          isRunning = false;
          found ??= problem;
        });
      }
      const problem = found;
      found = undefined;
      return problem;
    },
  };
}

/** Undefined where the probe ends with 0; a sentence otherwise. Never rejects. */
export async function runProbe(
  run: RunCommand,
  { command, user = DEFAULT_USER, timeoutSeconds }: Probe,
  passwdFile = "/etc/passwd",
): Promise<string | undefined> {
  const [program, ...args] = command;
  const account = accountOf(user, readFileSync(passwdFile, "utf8"));
  if (program === undefined) return "the probe has no program";
  if (account === undefined) return `there is no user ${user} to run the probe as`;
  const outcome = await run({
    command: [program, ...args],
    timeoutMs: timeoutSeconds * 1000,
    user: account,
  });
  return outcome.status === 0 ? undefined : printable(`${program} ${sentence(outcome)}`);
}

function sentence({ status, signal, timedOut, failed, output }: CommandOutcome): string {
  const said = output.trim() === "" ? "" : `: ${output.trim().slice(-300)}`;
  if (failed !== undefined) return `did not start: ${failed}`;
  if (timedOut) return `did not end in time${said}`;
  return status === undefined ? `was ended by ${signal}${said}` : `ended with ${status}${said}`;
}

/** User and group of a line of passwd(5). */
export function accountOf(user: string, passwd: string): { uid: number; gid: number } | undefined {
  for (const line of passwd.split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name !== user || !/^\d+$/.test(uid ?? "") || !/^\d+$/.test(gid ?? "")) continue;
    return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}
