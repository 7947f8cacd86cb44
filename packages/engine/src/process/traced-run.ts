/**
 * One stopped thread goes on while all others stand still, until it comes to a certain system call.
 *
 * PTRACE_SYSCALL stops the thread before and behind each system call (ptrace(2)). Nothing in the
 * thread waits for us: should this program end, it goes on as if it had not been traced.
 */
import type { VirtualAddr } from "../bytes/address.ts";
import { createArea, ERRNO, type Libc, PTRACE, PTRACE_EVENT_STOP, WALL } from "./libc.ts";
import type { Thread } from "./thread.ts";

export type RunOutcome =
  | { readonly outcome: "arrived" }
  /** It did something that a signal is the answer to; the signal is withheld. */
  | { readonly outcome: "faulted"; readonly signal: number }
  | { readonly outcome: "deadline" }
  /** It could not be stopped any more, and runs on. */
  | { readonly outcome: "lost" }
  | { readonly outcome: "gone" };

/** SIGTRAP with the bit that PTRACE_O_TRACESYSGOOD sets. */
const SYSTEM_CALL_STOP = 0x85;
/** SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: what the kernel sends for instructions. */
const FAULTS: readonly number[] = [4, 5, 7, 8, 11, 31];
const SI_CODE_WORD = 2;
/** For a thread that runs and has to wait for a processor; all others wait, too. */
const INTERRUPT_MS = 2000;

/** The signals that must not wait while a thread is sent somewhere: faults, as a signal mask. */
export const ALL_BUT_FAULTS: bigint = FAULTS.reduce(
  (mask, signal) => mask & ~(1n << BigInt(signal - 1)),
  0xffff_ffff_ffff_ffffn,
);

/**
 * Lets the thread run to the next system call stop whose instruction ends at `end`.
 *
 * The thread is stopped afterwards, with its registers read, but where it is `lost` or `gone`. A
 * signal that it gets from elsewhere meanwhile waits in `thread.signal`.
 */
export function runToSystemCall(
  libc: Libc,
  thread: Thread,
  { end, deadlineMs }: { readonly end: VirtualAddr; readonly deadlineMs: number },
): RunOutcome {
  const deadline = performance.now() + deadlineMs;
  try {
    for (;;) {
      if (libc.ptrace(PTRACE.PTRACE_SYSCALL, thread.tid, 0, 0) < 0) return gone(thread);
      let stop = awaitStop(libc, thread.tid, deadline);
      if (stop === "deadline") {
        libc.ptrace(PTRACE.PTRACE_INTERRUPT, thread.tid, 0, 0);
        stop = awaitStop(libc, thread.tid, performance.now() + INTERRUPT_MS);
        if (stop === "deadline") return lost(thread);
        return stop === "gone" || !readRegisters(libc, thread)
          ? gone(thread)
          : { outcome: "deadline" };
      }
      if (stop === "gone" || !readRegisters(libc, thread)) return gone(thread);
      const { signal, event } = stop;
      if (event === PTRACE_EVENT_STOP) continue;
      if (signal === SYSTEM_CALL_STOP) {
        if (thread.registers.rip === end) return { outcome: "arrived" };
      } else if (FAULTS.includes(signal) && isOfInstruction(libc, thread.tid)) {
        return { outcome: "faulted", signal };
      } else {
        thread.signal = signal;
      }
    }
  } finally {
    libc.cancelAlarm();
  }
}

interface Stop {
  readonly signal: number;
  readonly event: number;
}

function awaitStop(libc: Libc, tid: number, deadline: number): Stop | "deadline" | "gone" {
  libc.setAlarm(Math.max(0, deadline - performance.now()));
  for (;;) {
    const result = libc.waitpid(tid, WALL);
    if (result === -ERRNO.EINTR) {
      if (performance.now() >= deadline) return "deadline";
      continue;
    }
    const status = libc.waitStatus();
    if (result < 0 || (status & 0xff) !== 0x7f) return "gone";
    return { signal: (status >> 8) & 0xff, event: status >> 16 };
  }
}

const readRegisters = (libc: Libc, { tid, registers }: Thread): boolean =>
  libc.ptrace(PTRACE.PTRACE_GETREGS, tid, 0, registers.address) >= 0;

/** Sent by the kernel for what the thread did, and not by somebody with kill(2): si_code > 0. */
function isOfInstruction(libc: Libc, tid: number): boolean {
  const info = createArea(128);
  if (libc.ptrace(PTRACE.PTRACE_GETSIGINFO, tid, 0, info.address) < 0) return true;
  return ((info.words[SI_CODE_WORD] as number) | 0) > 0;
}

function gone(thread: Thread): RunOutcome {
  thread.state = "gone";
  return { outcome: "gone" };
}

function lost(thread: Thread): RunOutcome {
  thread.state = "running";
  return { outcome: "lost" };
}
