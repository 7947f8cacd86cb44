/**
 * Talks with the control plane: check-ins with what changed, and one held request for assignments.
 *
 * Check-ins bring assignments, too, so a network that allows no held requests costs time and
 * nothing else. An assignment is handed to the executor as it came; what is not believed there
 * counts as a failure of the server's, and is asked for again ever more slowly.
 */
import type { CheckInAnswer, DeviceFacts, SignedAssignment } from "@suture/contract";
import { AgentError } from "../errors.ts";
import { askExecutor, ExecutorRefusal } from "../executor-client.ts";
import { Phase } from "../messages.ts";
import { parseCheckInAnswer, parseHeldAnswer } from "./answers.ts";
import { backoffMs, jittered, type Random } from "./backoff.ts";
import { afterAnswer, type PlannedCheckIn, planCheckIn, saysSomething } from "./check-in.ts";
import { NetworkError } from "./errors.ts";
import type { ExecutorView } from "./executor-view.ts";
import { isClockWrong, type NetworkHealth, withNetworkFindings } from "./findings.ts";
import type { KnownState, KnownStateFile } from "./known-state.ts";
import { checkInGapMs, checkInListMax, factsGapMs, heldGapMs, heldTimeoutMs } from "./limits.ts";
import type { ServerConnection } from "./server-connection.ts";
import { createWake } from "./wake.ts";

export interface ControlLoopOptions {
  readonly deviceId: string;
  /** The raw public key that the server named; the executor knows its digest from root. */
  readonly controlKey: string;
  readonly connection: ServerConnection;
  readonly socket: string;
  readonly view: ExecutorView;
  readonly stateFile: KnownStateFile;
  readonly random: Random;
  readonly startWithinMs: number;
  /** What a device says of itself while the executor was never there. */
  readonly bareFacts: DeviceFacts;
  readonly health: () => Omit<NetworkHealth, "isDiskFull">;
  /** An assignment is in force that was not before. */
  readonly onAssignment: (assignment: SignedAssignment) => void;
  readonly faultPoint: (name: string) => void;
  readonly log: (text: string) => void;
}

export interface ControlLoop {
  /** Something changed that the server should know: now, or with whatever else changes. */
  readonly tell: (urgency: "now" | "soon") => void;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export function createControlLoop(options: ControlLoopOptions): ControlLoop {
  const wake = createWake();
  const heldWake = createWake();
  let soon: NodeJS.Timeout | undefined;
  const tell: ControlLoop["tell"] = (urgency) => {
    if (urgency === "now") {
      wake.wake();
      heldWake.wake();
      return;
    }
    soon ??= setTimeout(() => {
      soon = undefined;
      wake.wake();
    }, factsGapMs);
  };
  return {
    tell,
    async run(signal) {
      const start = createWake();
      await start.wait(options.random() * options.startWithinMs, signal);
      const deliver = createDelivery(options);
      try {
        await Promise.all([
          runCheckIns(options, { wake, deliver, signal }),
          runHeldRequests(options, { wake: heldWake, deliver, signal }),
        ]);
      } finally {
        clearTimeout(soon);
      }
    },
  };
}

type Deliver = (assignment: SignedAssignment) => Promise<void>;

interface LoopParts {
  readonly wake: ReturnType<typeof createWake>;
  readonly deliver: Deliver;
  readonly signal: AbortSignal;
}

async function runCheckIns(
  options: ControlLoopOptions,
  { wake, deliver, signal }: LoopParts,
): Promise<void> {
  let failures = 0;
  const checkIn = await openCheckIns(options, signal);
  const { view, connection } = options;
  // The first check-in tells what the executor says, or that it is not there.
  while (!signal.aborted && !view.isThere() && view.problem() === undefined) {
    await wake.wait(1000, signal);
  }
  while (!signal.aborted) {
    let waitMs: number;
    try {
      const wasClockWrong = isClockWrong(connection.clockOffsetSeconds());
      const { answer, isPartial } = await checkIn();
      failures = 0;
      // What the answer told of the clock is a finding, and goes with the next one.
      const isNews = isClockWrong(connection.clockOffsetSeconds()) !== wasClockWrong;
      waitMs = isPartial || isNews ? 0 : jittered(answer.nextCheckInSeconds * 1000, options.random);
      // What the executor does not believe is told by its events; check-ins go on.
      if (answer.assignment) await deliver(answer.assignment).catch((e) => refused(e, options));
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      waitMs = waitAfter(error, failures, options);
      // What changes meanwhile waits, too: a server in trouble is left in peace.
      await createWake().wait(waitMs, signal);
      continue;
    }
    await wake.wait(waitMs, signal);
    await createWake().wait(checkInGapMs, signal);
  }
}

/** A function that makes one check-in, from what was kept of the ones before. */
async function openCheckIns(options: ControlLoopOptions, signal: AbortSignal) {
  const { deviceId, stateFile, view, connection, faultPoint } = options;
  let known = await stateFile.read(deviceId);
  let isDiskFull = false;
  const keep = async (state: KnownState): Promise<void> => {
    known = state;
    isDiskFull = !(await stateFile.write(state));
  };
  const send = async (): Promise<SentCheckIn> => {
    const plan = planCheckIn(known, {
      facts: withNetworkFindings(view.facts() ?? known.facts?.value ?? options.bareFacts, {
        ...options.health(),
        isDiskFull,
      }),
      progress: view.isThere() ? view.progress() : known.progress,
      events: await newEvents(options, known.eventSerial),
      assignmentSerial: view.serials().assignment,
    });
    // From here the serial is used, whatever becomes of the request.
    if (plan.body.serial > known.serialLast) {
      await keep({ ...known, serialLast: plan.body.serial });
      faultPoint("check-in-serial-kept");
    }
    const answer = parseCheckInAnswer(await connection.ask("checkIn", { body: plan.body, signal }));
    faultPoint("check-in-answered");
    const next = afterAnswer(known, plan, answer);
    const isPartial = plan.isPartial && isFurther(known, next);
    if (saysSomething(plan) || next.facts?.serial !== known.facts?.serial) {
      await keep(next);
      faultPoint("check-in-kept");
    }
    return { plan, answer, isPartial };
  };
  return async (): Promise<SentCheckIn> => {
    const first = await send();
    if (first.answer.serial === first.plan.body.serial) {
      return first;
    }
    // The server has other facts than we believed: all of them, once.
    const second = await send();
    const { answer, plan } = second;
    if (answer.serial !== plan.body.serial) {
      throw new NetworkError("server-answer", `serial ${answer.serial} for ${plan.body.serial}`);
    }
    return second;
  };
}

/** A delivery that failed; the held request, which gets the same assignment, waits for it. */
function refused(error: unknown, { log }: ControlLoopOptions): void {
  if (!isExpected(error)) throw error;
  log(`assignment: ${error.message}`);
}

interface SentCheckIn {
  readonly plan: PlannedCheckIn;
  readonly answer: CheckInAnswer;
  /** There is more to tell, and the server takes what it is told. */
  readonly isPartial: boolean;
}

const isFurther = (before: KnownState, after: KnownState): boolean =>
  after.eventSerial > before.eventSerial || after.progress.length > before.progress.length;

/** None where the executor is gone: it keeps them. */
async function newEvents({ socket, view }: ControlLoopOptions, after: number) {
  if (!view.isThere() || view.serials().event <= after) return [];
  try {
    const countMax = checkInListMax + 1;
    return (await askExecutor(socket, "events", { after, countMax })).events;
  } catch (error) {
    if (error instanceof AgentError || error instanceof ExecutorRefusal) return [];
    throw error;
  }
}

async function runHeldRequests(
  options: ControlLoopOptions,
  { wake, deliver, signal }: LoopParts,
): Promise<void> {
  const { view, connection, random } = options;
  let failures = 0;
  while (!signal.aborted) {
    // Without the executor nothing can be delivered, and its serial is not known.
    if (!view.isThere() || view.phase() !== Phase.managed) {
      await wake.wait(heldGapMs * 5, signal);
      continue;
    }
    const begun = performance.now();
    try {
      const query = { after: view.serials().assignment };
      const answer = await connection.ask("awaitAssignment", {
        query,
        signal,
        timeoutMs: heldTimeoutMs,
      });
      const assignment = parseHeldAnswer(answer);
      if (assignment) await deliver(assignment);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      await createWake().wait(waitAfter(error, failures, options), signal);
    }
    const restMs = heldGapMs * (0.5 + random()) - (performance.now() - begun);
    if (restMs > 0) await createWake().wait(restMs, signal);
  }
}

/** Hands assignments to the executor, one after the other, each one once. */
function createDelivery(options: ControlLoopOptions): Deliver {
  const { socket, controlKey, view, onAssignment, faultPoint } = options;
  let last: Promise<void> = Promise.resolve();
  let inForce: string | undefined;
  const deliver = async (assignment: SignedAssignment): Promise<void> => {
    if (view.phase() !== Phase.managed || assignment.signature === inForce) return;
    faultPoint("assignment-came");
    await askExecutor(socket, "assignment", { ...assignment, controlKey });
    inForce = assignment.signature;
    faultPoint("assignment-delivered");
    onAssignment(assignment);
  };
  return (assignment) => {
    const delivered = last.then(() => deliver(assignment));
    last = delivered.catch(() => {});
    return delivered;
  };
}

/** How long to leave the server alone. Bugs are thrown on. */
function waitAfter(
  error: unknown,
  failures: number,
  { random, log }: Pick<ControlLoopOptions, "random" | "log">,
): number {
  if (!isExpected(error)) throw error;
  if (failures === 1 || failures % 20 === 0) log(`control plane: ${error.message}`);
  const asked = error instanceof NetworkError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
  return Math.max(asked, backoffMs(failures, random));
}

const isExpected = (error: unknown): error is Error =>
  error instanceof NetworkError || error instanceof ExecutorRefusal || error instanceof AgentError;
