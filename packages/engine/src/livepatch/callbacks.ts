/**
 * Which callbacks run when, and what their answers mean (docs/writing-hotpatches.md).
 *
 *     apply     pre-apply ..., the entries, post-apply ...
 *     revert    pre-revert ..., the entries, post-revert ...
 *
 * all within the stop, as in the kernel's live patching (Documentation/livepatch/callbacks.rst). A
 * superseding hotpatch runs its own only. The record of each callback (callback-run.ts) tells what
 * is still to do, also to a later command:
 *
 *     pre-apply says no or fails       nothing is switched; post-revert of the units before it
 *     post-apply fails                 the entries are put back; post-revert of all units
 *     pre-revert fails                 nothing is switched; the next revert passes it over
 *     post-revert fails                the revert is complete all the same, and says so
 *     apply was cut short by a kill    finished with what was not begun, or undone: then
 *                                      post-revert of the units whose pre-apply callbacks had begun
 */
import { virtualAddr } from "../bytes/address.ts";
import { SAVE_AREA } from "../link/callback-runner.ts";
import type { LinkedImage } from "../link/relocate.ts";
import type { RunOutcome } from "../process/traced-run.ts";
import { type Refusal, refuse } from "../refusals.ts";
import { CallbackRun, Progress } from "./callback-run.ts";
import type { Ledger, LedgerCallbacks } from "./ledger.ts";
import { CALLBACK_DEADLINE_MS } from "./limits.ts";
import { describe } from "./locate.ts";
import type { Callback, CallbackTime } from "./patch-description.ts";
import type { SwitchCallbacks } from "./switch-entries.ts";
import type { Context, Target } from "./target.ts";

/** Room for what a callback calls: some functions of libraries use 16 KiB and more. */
const STACK_SIZE = 64 * 1024;

/** Bytes for the callbacks' stack and save area. */
export const callbackAreaSize = (callbacks: readonly Callback[]): number =>
  callbacks.length > 0 ? STACK_SIZE + SAVE_AREA.size : 0;

/** The callbacks as the ledger has them, when their area starts at `areaStart`; null for none. */
export function placeCallbacks(
  callbacks: readonly Callback[],
  image: LinkedImage,
  areaStart: number,
): LedgerCallbacks | null | Refusal {
  const { runner } = image;
  if (callbacks.length === 0 || runner === undefined) return null;
  const list: LedgerCallbacks["list"][number][] = [];
  for (const callback of callbacks) {
    const address = image.symbols.get(callback.symbol);
    if (address === undefined) {
      return refuse(
        "bad-hotpatch",
        `the hotpatch defines no function ${callback.symbol} for its ${callback.when} callback`,
        "build the hotpatch again",
      );
    }
    list.push({ ...callback, address });
  }
  const area = { address: virtualAddr(areaStart), size: callbackAreaSize(callbacks) };
  return { runner, area, list };
}

interface Surroundings {
  readonly context: Context;
  readonly target: Target;
  readonly ledger: Ledger;
}

/** What runs when the hotpatch is switched in; undefined where nothing is left to run. */
export function applyCallbacks(around: Surroundings): Phases | undefined {
  return createPhases(around, { before: "pre-apply", after: "post-apply" });
}

/** What runs when it is switched out; undefined where nothing is left to run. */
export function revertCallbacks(around: Surroundings): Phases | undefined {
  return createPhases(around, { before: "pre-revert", after: "post-revert" });
}

/**
 * Before an apply that a kill cut short is undone: the revert callbacks that it does not need count
 * as run. `switched`: some entry has its new bytes.
 */
export function skipUnreached(around: Surroundings, switched: boolean): void {
  const { callbacks } = around.ledger;
  if (callbacks === null) return;
  const run = new CallbackRun(around.context, around.target, callbacks);
  for (const [index, { when, unit }] of callbacks.list.entries()) {
    const needless =
      when === "pre-revert" ||
      (when === "post-revert" && !wasReached(run, callbacks, unit, switched));
    if (needless && run.record(index).progress === Progress.none) run.mark(index, Progress.skipped);
  }
}

/** Whether a unit has something to clean up: all its pre-apply callbacks began, and none said no. */
function wasReached(
  run: CallbackRun,
  { list }: LedgerCallbacks,
  unit: string,
  otherwise: boolean,
): boolean {
  const own = [...list.keys()].filter((index) => {
    return list[index]?.when === "pre-apply" && list[index].unit === unit;
  });
  if (own.length === 0) return otherwise;
  return own.every((index) => {
    const { progress, answer } = run.record(index);
    return progress === Progress.begun || (progress === Progress.returned && answer === 0);
  });
}

function createPhases(
  around: Surroundings,
  times: { readonly before: CallbackTime; readonly after: CallbackTime },
): Phases | undefined {
  const { callbacks } = around.ledger;
  if (callbacks === null) return undefined;
  const phases = new Phases(around, callbacks, times);
  return phases.isNeeded() ? phases : undefined;
}

/** The callbacks of one switch. */
export class Phases implements SwitchCallbacks {
  /** What went wrong and did not keep the switch from being made. */
  failure: Refusal | undefined;
  readonly #around: Surroundings;
  readonly #callbacks: LedgerCallbacks;
  readonly #times: { readonly before: CallbackTime; readonly after: CallbackTime };
  readonly #run: CallbackRun;
  #isLost = false;
  #isBegun = false;

  constructor(
    around: Surroundings,
    callbacks: LedgerCallbacks,
    times: { readonly before: CallbackTime; readonly after: CallbackTime },
  ) {
    this.#around = around;
    this.#callbacks = callbacks;
    this.#times = times;
    this.#run = new CallbackRun(around.context, around.target, callbacks);
  }

  isNeeded(): boolean {
    return [...this.#pending(this.#times.before), ...this.#pending(this.#times.after)].length > 0;
  }

  borrow(stop: Parameters<CallbackRun["borrow"]>[0]): boolean {
    return this.#run.borrow(stop);
  }

  before(): Refusal | undefined {
    const refusal = this.#runAll(this.#times.before);
    this.#isBegun = refusal === undefined;
    return refusal;
  }

  after(): Refusal | undefined {
    const refusal = this.#runAll(this.#times.after);
    if (this.#times.after === "post-apply") return refusal;
    this.failure = refusal;
    return undefined;
  }

  undone(): void {
    if (this.#times.before !== "pre-apply" || this.#isLost) return;
    for (const index of this.#pending("post-revert")) {
      const { unit } = this.#callbacks.list[index] as Callback;
      if (wasReached(this.#run, this.#callbacks, unit, this.#isBegun)) this.#runOne(index);
    }
  }

  giveBack(): void {
    if (!this.#run.giveBack()) this.#isLost = true;
  }

  /** False when the thread may still be in the hotpatch's code. */
  get isThreadBack(): boolean {
    return !this.#isLost;
  }

  /** The callbacks of one time that were not begun, by their places in the list. */
  #pending(when: CallbackTime): number[] {
    return [...this.#callbacks.list.keys()].filter((index) => {
      const isOfTime = this.#callbacks.list[index]?.when === when;
      return isOfTime && this.#run.record(index).progress === Progress.none;
    });
  }

  #runAll(when: CallbackTime): Refusal | undefined {
    let failure: Refusal | undefined;
    for (const index of this.#pending(when)) {
      const refusal = this.#runOne(index);
      failure ??= refusal;
      // After a revert there is no way back, so the others run all the same.
      if (this.#isLost || (failure !== undefined && when !== "post-revert")) break;
    }
    return failure;
  }

  #runOne(index: number): Refusal | undefined {
    const { when, symbol } = this.#callbacks.list[index] as Callback;
    const result = this.#run.run(index);
    const { ledger, target } = this.#around;
    const who = `${describe(target.image)}: the ${when} callback ${nameOf(symbol)} of ${ledger.id}`;
    if (result.outcome === "arrived") {
      if (when !== "pre-apply" || result.answer === 0) return undefined;
      return refuse(
        "callback-refused",
        `${who} returned ${result.answer}`,
        "the hotpatch's author says what the value means; try again when that is over",
      );
    }
    if (result.outcome === "gone") {
      return refuse(
        "process-gone",
        `${who} ended the process or its thread`,
        "restart the service",
      );
    }
    if (result.outcome === "lost") this.#isLost = true;
    return refuse(
      "callback-failed",
      `${who} ${howItFailed(result)}`,
      when === "pre-revert"
        ? "tell the hotpatch's author; the next revert passes the callback over"
        : "tell the hotpatch's author; the service can be restarted with the fixed package",
    );
  }
}

/** Without the unit that a static function's symbol names. */
const nameOf = (symbol: string): string => symbol.replace(/@.*$/, "");

function howItFailed(outcome: RunOutcome): string {
  switch (outcome.outcome) {
    case "faulted":
      return `was ended by signal ${outcome.signal}`;
    case "deadline":
      return `did not return within ${CALLBACK_DEADLINE_MS} ms and was cut short`;
    default:
      return "did not return, and could not be stopped: its thread goes on in it";
  }
}
