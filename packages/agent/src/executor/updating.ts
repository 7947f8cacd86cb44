/** The traditional update: the package manager's newer version, and a restart of what runs the old. */
import type { DeviceUpdateState } from "@suture/contract";
import type { QualityUpdate } from "@suture/release";
import { printable } from "../fields.ts";
import type { CommandOutcome, RunCommand } from "../inventory/command-runner.ts";
import type { RunningProcess } from "../inventory/scan.ts";
import type { ActionReport } from "../messages.ts";
import type { Recorder } from "./recorder.ts";
import { type Command, type RestartCommand, restartsOf } from "./restart-commands.ts";
import { updateAttemptOf } from "./traditional-update.ts";

export interface UpdatingParts {
  readonly recorder: Recorder;
  readonly run: RunCommand;
  readonly now: () => Date;
  readonly restartCommands: readonly RestartCommand[];
  readonly installCommand: (name: string) => Command;
  /** The processes that still run this Build-ID, looked up anew. */
  readonly stillRunning: (buildId: string) => readonly StillRunning[];
  readonly faultPoint: (name: string) => void;
}

export interface StillRunning {
  readonly process: RunningProcess;
  readonly outdated: boolean;
}

export interface UpdatingRequest {
  readonly update: QualityUpdate;
  readonly buildId: string;
  readonly file: string;
  /** Absent where the newer file is installed already. */
  readonly package?: string;
  readonly processes: readonly RunningProcess[];
  readonly restart: "if-required" | "never" | "always";
  readonly who: string;
}

const INSTALL_TIMEOUT_MS = 15 * 60_000;
const RESTART_TIMEOUT_MS = 3 * 60_000;

const aptCommand = (name: string): Command => [
  "apt-get",
  "install",
  "--only-upgrade",
  "--yes",
  "--quiet",
  // Changed configuration files stay as they are.
  "--option=Dpkg::Options::=--force-confold",
  "--",
  name,
];

/**
 * How a package is updated: by apt-get, or where this process has no network and may not write
 * everywhere (suture-executor.service), by a systemd unit that does the same.
 */
export const installCommandOf =
  (unitTemplate: string | undefined): UpdatingParts["installCommand"] =>
  (name) =>
    unitTemplate === undefined
      ? aptCommand(name)
      : ["systemctl", "start", "--", `${unitTemplate}${escapeForUnit(name)}.service`];

/** As systemd-escape(1) writes a word that becomes part of a unit's name. */
const escapeForUnit = (word: string): string =>
  [...Buffer.from(word)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9_.:]/.test(character)
        ? character
        : `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");

/** Installs, restarts what is needed, looks whether the old file still runs, and records it. */
export async function updateTraditionally(
  parts: UpdatingParts,
  request: UpdatingRequest,
): Promise<ActionReport> {
  const { recorder } = parts;
  const { update, buildId, file, processes } = request;
  const { target } = update;
  const name = request.package;
  const keys = processes.map(({ pid, started, image }) => ({ pid, started, image }));
  const intent = { target, buildId, file, processes: keys };
  const number =
    name === undefined
      ? recorder.begin({ do: "restart", ...intent })
      : recorder.begin({ do: "traditional-update", ...intent, package: name });
  if (name !== undefined) {
    const installed = await parts.run({
      command: parts.installCommand(name),
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    parts.faultPoint("installed");
    if (installed.status !== 0) {
      return noteFailure(parts, request, number, "update-failed", outcomeText(name, installed));
    }
    const left = parts.stillRunning(buildId);
    if (left.length > 0 && left.every(({ outdated }) => !outdated)) {
      const detail = `${name}: the package manager has nothing newer`;
      return noteFailure(parts, request, number, "nothing-newer", detail);
    }
  }
  const left = parts.stillRunning(buildId).map(({ process }) => process);
  const mustRestart = left.length > 0 || request.restart === "always";
  const failure = mustRestart
    ? await restart(parts, request, left.length > 0 ? left : processes)
    : undefined;
  if (failure !== undefined) return noteFailure(parts, request, number, "update-failed", failure);
  return noteSuccess(parts, request, number, mustRestart);
}

/** Runs the commands; a sentence where one fails or the old file still runs afterwards. */
async function restart(
  { recorder, run, restartCommands, stillRunning, faultPoint }: UpdatingParts,
  { update, buildId, file }: UpdatingRequest,
  processes: readonly RunningProcess[],
): Promise<string | undefined> {
  const commands = restartsOf(file, processes, restartCommands);
  if (commands === undefined) return "nothing says how its processes are restarted";
  // Their end is ours now, and no harm that the hotpatch did.
  for (const watch of recorder.record().watches.values()) {
    if (watch.buildId === buildId) recorder.note({ watchOver: watch.target });
  }
  recorder.note({
    events: [
      { kind: "restart", target: update.target, detail: `${file}: ${commands.length} services` },
    ],
  });
  for (const command of commands) {
    const outcome = await run({ command, timeoutMs: RESTART_TIMEOUT_MS });
    faultPoint("restarted");
    if (outcome.status !== 0) return outcomeText(command.join(" "), outcome);
  }
  const pids = stillRunning(buildId)
    .map(({ process }) => process.pid)
    .filter((pid) => processes.some((process) => process.pid === pid));
  return pids.length === 0 ? undefined : `processes ${pids.join(", ")} were not restarted`;
}

function outcomeText(name: string, { status, signal, failed, timedOut, output }: CommandOutcome) {
  const how = failed ?? (timedOut ? "it took too long" : `it ended with ${status ?? signal}`);
  return printable(`${name}: ${how}: ${output.trim().slice(-500)}`);
}

function reportOf({ update, file, buildId, processes, ...request }: UpdatingRequest) {
  return {
    action: request.package === undefined ? "restart" : "traditional-update",
    target: update.target,
    file,
    buildId,
    pids: processes.map(({ pid }) => pid),
  };
}

function noteFailure(
  { recorder, now }: UpdatingParts,
  request: UpdatingRequest,
  number: number,
  code: string,
  detail: string,
): ActionReport {
  const { target } = request.update;
  const key = updateAttemptOf(target);
  const at = now().toISOString();
  const before = recorder.record().attempts.get(key);
  const isNews = before?.code !== code;
  const state: DeviceUpdateState = "failed";
  recorder.note({
    ends: number,
    attempt: { key, code, detail, count: 1 + (before?.count ?? 0), at },
    ...(isNews && {
      events: [{ kind: "traditional-update", target, code, detail }],
      progress: [{ target, state, code, detail, at }],
      audit: [
        { who: request.who, what: "traditional-update-failed", detail: { target, code, detail } },
      ],
    }),
  });
  const next = "look at the package manager's output in: suture history";
  return { ...reportOf(request), outcome: code, detail, next };
}

function noteSuccess(
  { recorder, now }: UpdatingParts,
  request: UpdatingRequest,
  number: number,
  restarted: boolean,
): ActionReport {
  const { target } = request.update;
  const report = reportOf(request);
  const name = request.package ?? request.file;
  const detail = restarted ? `${name} was updated and restarted` : `${name} was updated`;
  recorder.note({
    ends: number,
    forgetAttempt: updateAttemptOf(target),
    progress: [{ target, state: "restarted", detail, at: now().toISOString() }],
    events: [{ kind: "traditional-update", target, detail }],
    audit: [{ who: request.who, what: "traditional-update", detail: { target, name, restarted } }],
  });
  return { ...report, outcome: "done", detail };
}
