/** What /proc tells of one thread. Undefined where the thread or process is gone. */
import { readdirSync, readFileSync } from "node:fs";
import { hasFutexDeadline, SYSCALL } from "./interrupted-call.ts";

/** The ids of the process's threads. */
export function listThreads(pid: number): number[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The letter of /proc/PID/task/TID/stat, or undefined when the thread is gone. */
export function readThreadState(pid: number, tid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1");
    return text.charAt(text.lastIndexOf(")") + 2);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The line of proc_pid_syscall(5), or undefined where there is none. */
export function readSystemCall(pid: number, tid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/syscall`, "latin1");
  } catch (error) {
    // The thread ended, or the kernel was built without this file.
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

const DURATION_CALLS: readonly number[] = [
  SYSCALL.nanosleep,
  SYSCALL.clock_nanosleep,
  SYSCALL.restart_syscall,
];

/** True when the thread sleeps in a call that ends after some time of its own reckoning. */
export function waitsForDuration(pid: number, tid: number): boolean {
  const words = readSystemCall(pid, tid)?.split(" ").map(Number);
  if (words === undefined) return false;
  const [number = -1, , second = 0, third = 0, fourth = 0] = words;
  if (number === SYSCALL.poll) return (third | 0) >= 0;
  if (number === SYSCALL.futex) return fourth !== 0 && !hasFutexDeadline(second | 0);
  return DURATION_CALLS.includes(number);
}

export interface SignalMasks {
  readonly pending: bigint;
  readonly blocked: bigint;
  readonly caught: bigint;
}

/** The signal masks of a thread, or undefined when it is gone. */
export function readSignalMasks(pid: number, tid: number): SignalMasks | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const mask = (field: string): bigint => {
    const match = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(text);
    return match === null ? 0n : BigInt(`0x${match[1]}`);
  };
  return {
    pending: mask("SigPnd") | mask("ShdPnd"),
    blocked: mask("SigBlk"),
    caught: mask("SigCgt"),
  };
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");
