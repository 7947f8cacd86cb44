/** A traced thread, and how stopping ends. */
import type { VirtualAddr } from "../bytes/address.ts";
import type { RegisterView } from "./registers.ts";

export interface Thread {
  readonly tid: number;
  readonly registers: RegisterView;
  state: "running" | "interrupting" | "stopped" | "gone";
  /** True when the thread was running on a processor when it was seized. */
  busy: boolean;
  /** The signal that stopped it on its way to the process, or 0. */
  signal: number;
  /** Where it stood when it was last stopped for a call. */
  lastPlace: { readonly pc: VirtualAddr; readonly stackPointer: VirtualAddr } | undefined;
  /** True when the whole process is stopped by a signal (group-stop). */
  groupStop: boolean;
  /** True when its registers are read and an interrupted system call is mended. */
  examined: boolean;
  /** True when an interrupted system call will be executed again. */
  mended: boolean;
  /** The frames of injected calls that it was last sent to. */
  callFrames: { readonly start: VirtualAddr; readonly end: VirtualAddr } | undefined;
  /** Where it has to execute a system call again, until it is seen to have done so. */
  restartAt: VirtualAddr | undefined;
}

/** A thread of which nothing is known yet. */
export const createThread = (
  tid: number,
  registers: RegisterView,
  state: "running" | "gone",
): Thread => ({
  tid,
  registers,
  state,
  busy: true,
  signal: 0,
  lastPlace: undefined,
  groupStop: false,
  examined: false,
  mended: false,
  callFrames: undefined,
  restartAt: undefined,
});

export type StopOutcome =
  | { readonly outcome: "stopped" }
  | { readonly outcome: "rejected" }
  | { readonly outcome: "deadline"; readonly tid: number }
  | { readonly outcome: "gone" }
  | { readonly outcome: "group-stop" };

export type SeizeOutcome =
  | { readonly outcome: "seized" }
  | { readonly outcome: "gone" }
  | { readonly outcome: "failed"; readonly tid: number; readonly errno: number };

/** Says whether the process may stay stopped, given one more stopped thread. */
export interface ThreadCheck {
  check(thread: Thread): boolean;
}
