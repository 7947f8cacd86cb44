/** Starts simulated-devices.ts and asks it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type {
  EnrolRequest,
  FleetAnswer,
  FleetRequest,
  LoadReport,
  LoadRequest,
  SimulatedReport,
} from "./simulated-devices.ts";

export interface SimulatedFleet {
  readonly pid: number;
  /** Enrols a device for each hostname; gives their ids. */
  readonly enrol: (request: Omit<EnrolRequest, "ask">) => Promise<readonly string[]>;
  /** From here each device holds a request and does what its assignments say. */
  readonly follow: () => Promise<void>;
  readonly load: (request: Omit<LoadRequest, "ask">) => Promise<LoadReport>;
  /** Gives Date.now() when the last device got it. Throws when the time is over before. */
  readonly awaitPaused: (paused: boolean, timeoutMs: number) => Promise<number>;
  readonly report: () => Promise<SimulatedReport>;
  readonly kill: () => void;
}

/** Starts the process; it has no devices yet. */
export function openSimulatedFleet(): SimulatedFleet {
  const program = fileURLToPath(new URL("./simulated-devices.ts", import.meta.url));
  const child = fork(program, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ask = async <Kind extends FleetAnswer["answer"]>(
    request: FleetRequest & { readonly ask: Kind },
  ): Promise<Extract<FleetAnswer, { answer: Kind }>> => {
    const answered = answerOf(child, request.ask);
    child.send(request);
    return (await answered) as Extract<FleetAnswer, { answer: Kind }>;
  };
  return {
    pid: child.pid ?? 0,
    enrol: async (request) => (await ask({ ask: "enrol", ...request })).ids,
    async follow() {
      await ask({ ask: "follow" });
    },
    load: async (request) => (await ask({ ask: "load", ...request })).report,
    async awaitPaused(paused, timeoutMs) {
      const { lastAt, reached } = await ask({ ask: "await-paused", paused, timeoutMs });
      if (lastAt !== undefined) return lastAt;
      throw new Error(`within ${timeoutMs} ms only ${reached} devices got it`);
    },
    report: async () => (await ask({ ask: "report" })).report,
    kill: () => void child.kill("SIGKILL"),
  };
}

/** One question at a time: the next answer is the one to it. */
async function answerOf(child: ChildProcess, kind: FleetAnswer["answer"]): Promise<FleetAnswer> {
  const ended = new AbortController();
  const exit = once(child, "exit", { signal: ended.signal }).then((): never => {
    throw new Error(`the simulated devices ended before they answered "${kind}"`);
  });
  try {
    const message = once(child, "message", { signal: ended.signal });
    const [answer] = (await Promise.race([message, exit])) as [FleetAnswer];
    if (answer.answer === "failed") throw new Error(`simulated devices: ${answer.message}`);
    if (answer.answer !== kind) throw new Error(`answered ${answer.answer}, not ${kind}`);
    return answer;
  } finally {
    ended.abort();
    exit.catch(() => undefined);
  }
}
