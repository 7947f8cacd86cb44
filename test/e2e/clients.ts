/**
 * The clients of the main job: a program of its own, so that nothing the job does on its own
 * thread can make a latency look longer than the server made it.
 *
 * Started by client-fleet.ts with the server's port as argument; takes Requests and sends Answers
 * over the IPC channel. It keeps open, from the first moment to the last:
 *
 * - a session with state on the server: database number and client name,
 * - a subscription: numbered messages, of which none may be lost or doubled,
 * - a transaction: MULTI now, more commands queued at each look, EXEC at the end,
 * - load: pipelined SET and GET whose values are checked, each round trip timed.
 */
import { ErrorReply, type Reply, RespConnection } from "./resp.ts";

export type Request =
  | { readonly ask: "window"; readonly name: string }
  | { readonly ask: "look" }
  | { readonly ask: "finish" };

export interface Window {
  readonly name: string;
  readonly requests: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

export interface FleetReport {
  readonly requests: number;
  readonly failed: number;
  /** The first few failures, in words. */
  readonly failures: readonly string[];
  /** Each connection that was opened, and whether it still is what it was. */
  readonly connections: readonly { readonly name: string; readonly wrong?: string }[];
  readonly published: number;
  readonly received: number;
  readonly windows: readonly Window[];
}

export type Answer =
  | { readonly answer: "ready" }
  | { readonly answer: "window" }
  | { readonly answer: "report"; readonly report: FleetReport }
  | { readonly answer: "failed"; readonly message: string };

const LOAD_CONNECTIONS = 4;
const COMMANDS_A_BATCH = 8;
/** Between two batches of one connection: enough load to notice a stop, and idle time to see it. */
const PAUSE_MS = 1;
const CHANNEL = "suture:numbers";

/** How long each round trip took, in the window that is open. */
function createStopwatch() {
  const done: Window[] = [];
  let name = "start";
  let times: number[] = [];
  const close = (): void => {
    if (times.length > 0) {
      times.sort((a, b) => a - b);
      const medianMs = times[times.length >> 1] ?? 0;
      done.push({ name, requests: times.length, medianMs, maxMs: times.at(-1) ?? 0 });
    }
  };
  return {
    open(next: string): void {
      close();
      name = next;
      times = [];
    },
    add: (ms: number) => times.push(ms),
    windows: (): readonly Window[] => done,
  };
}

/** Counts of everything that was asked of the server, and what went wrong. */
function createTally() {
  const failures: string[] = [];
  let requests = 0;
  let failed = 0;
  return {
    expect(what: string, found: Reply, expected: Reply): void {
      requests++;
      if (show(found) === show(expected)) return;
      failed++;
      if (failures.length < 10) failures.push(`${what}: ${show(found)}, not ${show(expected)}`);
    },
    fail(what: string): void {
      requests++;
      failed++;
      if (failures.length < 10) failures.push(what);
    },
    counts: () => ({ requests, failed, failures }),
  };
}

const show = (reply: Reply): string =>
  reply instanceof ErrorReply ? `error ${reply.message}` : JSON.stringify(reply);

type Tally = ReturnType<typeof createTally>;
type Stopwatch = ReturnType<typeof createStopwatch>;

async function openSession(port: number, tally: Tally) {
  const connection = await RespConnection.open({ name: "session", port });
  tally.expect("SELECT 3", await connection.send("SELECT", "3"), "OK");
  tally.expect("SETNAME", await connection.send("CLIENT", "SETNAME", "suture-session"), "OK");
  tally.expect("SET", await connection.send("SET", "session:key", "kept"), "OK");
  const id = await connection.send("CLIENT", "ID");
  return {
    connection,
    async look(): Promise<void> {
      tally.expect("CLIENT ID", await connection.send("CLIENT", "ID"), id);
      const name = await connection.send("CLIENT", "GETNAME");
      tally.expect("CLIENT GETNAME", name, "suture-session");
      // The key is in database 3 only, so this shows that the session is still in it.
      tally.expect("GET in the session", await connection.send("GET", "session:key"), "kept");
    },
  };
}

async function openSubscription(port: number, tally: Tally) {
  const connection = await RespConnection.open({ name: "subscription", port });
  const publisher = await RespConnection.open({ name: "publisher", port });
  let published = 0;
  let received = 0;
  let caughtUp: (() => void) | undefined;
  const reply = await connection.send("SUBSCRIBE", CHANNEL);
  tally.expect("SUBSCRIBE", reply, ["subscribe", CHANNEL, 1]);
  connection.onPush = (message) => {
    tally.expect("message", message, ["message", CHANNEL, String(received)]);
    received++;
    if (received === published) caughtUp?.();
  };
  return {
    connection,
    publisher,
    async publish(): Promise<void> {
      const number = String(published++);
      tally.expect("PUBLISH", await publisher.send("PUBLISH", CHANNEL, number), 1);
    },
    /** Waits for messages on their way, one second at most: what is not there then is lost. */
    settle: () =>
      new Promise<void>((resolve) => {
        if (received === published) return resolve();
        const timer = setTimeout(resolve, 1000);
        caughtUp = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    counts: () => ({ published, received }),
  };
}

async function openTransaction(port: number, tally: Tally) {
  const connection = await RespConnection.open({ name: "transaction", port });
  tally.expect("DEL", await connection.send("SET", "transaction:count", "0"), "OK");
  tally.expect("MULTI", await connection.send("MULTI"), "OK");
  let queued = 0;
  return {
    connection,
    async look(): Promise<void> {
      const reply = await connection.send("INCR", "transaction:count");
      tally.expect("INCR in MULTI", reply, "QUEUED");
      queued++;
    },
    async commit(): Promise<void> {
      const expected = Array.from({ length: queued }, (_, index) => index + 1);
      tally.expect("EXEC", await connection.send("EXEC"), expected);
    },
  };
}

/** Asks in batches until it is stopped, each value written by one batch and read by the same. */
async function openLoad(port: number, index: number, tally: Tally, stopwatch: Stopwatch) {
  const connection = await RespConnection.open({ name: `load ${index}`, port });
  let stopped = false;
  let turn = 0;
  const batch = async (): Promise<void> => {
    const commands: string[][] = [];
    const expected: Reply[] = [];
    for (let n = 0; n < COMMANDS_A_BATCH / 2; n++) {
      const key = `load:${index}:${n}`;
      const value = `${turn}:${n}:`.padEnd(64, "x");
      commands.push(["SET", key, value], ["GET", key]);
      expected.push("OK", value);
    }
    const begin = performance.now();
    const replies = await connection.pipeline(commands);
    stopwatch.add(performance.now() - begin);
    for (const [at, reply] of replies.entries())
      tally.expect(commands[at]?.join(" ") ?? "", reply, expected[at] ?? null);
    turn++;
  };
  const run = async (): Promise<void> => {
    while (!stopped) {
      await batch();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const finished = run().catch((error: Error) => tally.fail(error.message));
  return {
    connection,
    async stop(): Promise<void> {
      stopped = true;
      await finished;
    },
  };
}

async function openAll(port: number) {
  const tally = createTally();
  const stopwatch = createStopwatch();
  const session = await openSession(port, tally);
  const subscription = await openSubscription(port, tally);
  const transaction = await openTransaction(port, tally);
  const loads: Awaited<ReturnType<typeof openLoad>>[] = [];
  for (let index = 0; index < LOAD_CONNECTIONS; index++)
    loads.push(await openLoad(port, index, tally, stopwatch));
  const noteFailure = (error: Error): void => tally.fail(error.message);
  const publishing = setInterval(() => void subscription.publish().catch(noteFailure), 5);
  const connections = [
    session.connection,
    subscription.connection,
    subscription.publisher,
    transaction.connection,
    ...loads.map((load) => load.connection),
  ];
  return {
    stopwatch,
    async look(): Promise<void> {
      await session.look().catch(noteFailure);
      await transaction.look().catch(noteFailure);
    },
    async finish(): Promise<void> {
      clearInterval(publishing);
      await Promise.all(loads.map((load) => load.stop()));
      await transaction.commit().catch(noteFailure);
      await subscription.settle();
    },
    close: () => connections.forEach((connection) => void connection.close()),
    report: (): FleetReport => ({
      ...tally.counts(),
      ...subscription.counts(),
      connections: connections.map(({ name, ended }) =>
        ended ? { name, wrong: ended.message } : { name },
      ),
      windows: stopwatch.windows(),
    }),
  };
}

const answer = (message: Answer): void => void process.send?.(message);

async function serve(port: number): Promise<void> {
  const clients = await openAll(port);
  process.on("message", async (request: Request) => {
    switch (request.ask) {
      case "window":
        clients.stopwatch.open(request.name);
        return answer({ answer: "window" });
      case "look":
        await clients.look();
        return answer({ answer: "report", report: clients.report() });
      case "finish": {
        clients.stopwatch.open("end");
        await clients.look();
        await clients.finish();
        answer({ answer: "report", report: clients.report() });
        clients.close();
        process.disconnect();
        return;
      }
    }
  });
  answer({ answer: "ready" });
}

// Ctrl-C reaches the whole group: the job decides when its clients end.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
serve(Number(process.argv[2])).catch((error: Error) => {
  answer({ answer: "failed", message: error.message });
  process.exitCode = 1;
});
