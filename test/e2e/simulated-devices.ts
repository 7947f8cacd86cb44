/**
 * Many simulated devices in a process of their own, so that what they cost is not the server's and
 * nothing else makes their latencies look longer.
 *
 * Started by simulated-fleet.ts; takes FleetRequests and sends FleetAnswers over the IPC channel.
 */
import { Agent } from "node:http";
import type { ComponentFacts, DeviceFacts } from "@suture/contract";
import { enrolSimulatedDevice, type SimulatedDevice } from "./simulated-device.ts";

export interface EnrolRequest {
  readonly ask: "enrol";
  readonly server: string;
  readonly token: string;
  readonly hostnames: readonly string[];
  readonly components: readonly ComponentFacts[];
}

export interface LoadRequest {
  readonly ask: "load";
  readonly perSecond: number;
  readonly seconds: number;
  /** One check-in of so many tells a changed component; the others tell nothing new. */
  readonly changedOneIn: number;
}

export type FleetRequest =
  | EnrolRequest
  | LoadRequest
  /** From here each device holds a request and does what it is told. */
  | { readonly ask: "follow" }
  /** Until every device has an assignment that is (or is not) paused. */
  | { readonly ask: "await-paused"; readonly paused: boolean; readonly timeoutMs: number }
  | { readonly ask: "report" }
  | { readonly ask: "end" };

export interface LoadReport {
  /** From the moment at which it was due until its answer, in milliseconds, ascending. */
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  readonly seconds: number;
}

export interface SimulatedReport {
  readonly devices: number;
  readonly following: number;
  /** Devices that have applied each target. */
  readonly applied: Readonly<Record<string, number>>;
  /** The first few, in words. */
  readonly problems: readonly string[];
}

export type FleetAnswer =
  | { readonly answer: "enrol"; readonly ids: readonly string[] }
  | { readonly answer: "load"; readonly report: LoadReport }
  | { readonly answer: "follow" }
  /** Date.now() when the last of them got it; absent when the time was over. */
  | { readonly answer: "await-paused"; readonly lastAt?: number; readonly reached: number }
  | { readonly answer: "report"; readonly report: SimulatedReport }
  | { readonly answer: "end" }
  | { readonly answer: "failed"; readonly message: string };

/** Enrolments at once: each is a transaction of the server's. */
const ENROL_AT_ONCE = 16;
const CONNECTIONS = 64;
const PROBLEMS_MAX = 10;

const end = new AbortController();
const connections = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const heldConnections = new Agent({ keepAlive: true });
const devices: SimulatedDevice[] = [];
const problems: string[] = [];
/** Devices by whether their assignment is paused, and when the last one changed. */
const paused = new Set<string>();
let changedAt = 0;
let onChange = (): void => undefined;

const note = (problem: Error): void => {
  if (problems.length < PROBLEMS_MAX) problems.push(problem.message);
};

async function enrol({ server, token, hostnames, components }: EnrolRequest): Promise<string[]> {
  const ids: string[] = [];
  const waiting = [...hostnames];
  const work = async (): Promise<void> => {
    for (let hostname = waiting.shift(); hostname !== undefined; hostname = waiting.shift()) {
      const facts = factsOf(hostname, components);
      const options = { server, token, facts, connections, heldConnections };
      const device = await enrolSimulatedDevice(options);
      await device.introduce();
      devices.push(device);
      ids.push(device.id);
    }
  };
  await Promise.all(Array.from({ length: ENROL_AT_ONCE }, work));
  return ids;
}

const factsOf = (hostname: string, components: readonly ComponentFacts[]): DeviceFacts => ({
  hostname,
  system: "Debian GNU/Linux 12 (bookworm)",
  kernel: "6.1.0-40-amd64",
  processor: "x86-64",
  agentVersion: "0.1.0",
  readiness: "ready",
  findings: [],
  components: [...components],
});

function follow(): void {
  for (const device of devices) {
    void device.follow(
      {
        onAssignment({ id }, assignment) {
          if (assignment.paused === paused.has(id)) return;
          if (assignment.paused) paused.add(id);
          else paused.delete(id);
          changedAt = Date.now();
          onChange();
        },
        onProblem: (_, problem) => note(problem),
      },
      end.signal,
    );
  }
}

async function awaitPaused(wanted: boolean, timeoutMs: number): Promise<FleetAnswer> {
  const reached = (): number => (wanted ? paused.size : devices.length - paused.size);
  const isThere = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, false);
    onChange = (): void => {
      if (reached() < devices.length) return;
      clearTimeout(timer);
      resolve(true);
    };
    onChange();
  });
  onChange = () => undefined;
  return {
    answer: "await-paused",
    reached: reached(),
    ...(isThere && { lastAt: changedAt }),
  };
}

/**
 * Check-ins at a fixed rate, whatever the answers take: a slow server does not make the load less,
 * and a check-in that had to wait is late from the moment at which it was due.
 */
async function load({ perSecond, seconds, changedOneIn }: LoadRequest): Promise<LoadReport> {
  const latenciesMs: number[] = [];
  const open = new Set<Promise<void>>();
  const begin = performance.now();
  const count = Math.round(perSecond * seconds);
  let failed = 0;
  let sent = 0;
  const send = async (index: number, dueMs: number): Promise<void> => {
    try {
      await devices[index % devices.length]?.checkIn(index % changedOneIn === 0);
      latenciesMs.push(performance.now() - begin - dueMs);
    } catch (error) {
      failed += 1;
      note(error instanceof Error ? error : new Error(String(error)));
    }
  };
  while (sent < count) {
    const elapsedMs = performance.now() - begin;
    for (; sent < count && (sent * 1000) / perSecond <= elapsedMs; sent += 1) {
      const one = send(sent, (sent * 1000) / perSecond);
      open.add(one);
      void one.then(() => open.delete(one));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(open);
  latenciesMs.sort((a, b) => a - b);
  return { latenciesMs, failed, seconds: (performance.now() - begin) / 1000 };
}

function report(): SimulatedReport {
  const applied: Record<string, number> = {};
  for (const device of devices) {
    for (const target of device.applied()) applied[target] = (applied[target] ?? 0) + 1;
  }
  const following = devices.filter((device) => device.assignment() !== undefined).length;
  return { devices: devices.length, following, applied, problems };
}

async function answerTo(request: FleetRequest): Promise<FleetAnswer> {
  switch (request.ask) {
    case "enrol":
      return { answer: "enrol", ids: await enrol(request) };
    case "load":
      return { answer: "load", report: await load(request) };
    case "follow":
      follow();
      return { answer: "follow" };
    case "await-paused":
      return await awaitPaused(request.paused, request.timeoutMs);
    case "report":
      return { answer: "report", report: report() };
    case "end":
      end.abort();
      return { answer: "end" };
  }
}

process.on("message", (request: FleetRequest) => {
  void answerTo(request)
    .catch((error: unknown): FleetAnswer => {
      return { answer: "failed", message: error instanceof Error ? error.message : String(error) };
    })
    .then((answer) => process.send?.(answer));
});
// Ctrl-C reaches the whole group: whoever started this decides when it ends.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
