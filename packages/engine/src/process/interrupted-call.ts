/**
 * System calls that a stop takes their thread out of, and how they go on (signal(7)).
 *
 * Some say EINTR although no signal came. They are executed again: the instruction pointer goes back
 * over the `syscall` instruction, with the call's number in rax and no call for the kernel to restart
 * (orig_rax = -1).
 *
 * Others the kernel continues with restart_syscall(2), from a record of its own. Where the original
 * call would wait just as long, it is made again instead: then the record is of no importance.
 */
import { ERRNO } from "./libc.ts";
import type { RegisterView } from "./registers.ts";

/** Numbers of system calls, and what the kernel leaves in rax of one that it will restart. */
export const SYSCALL = {
  close: 3,
  poll: 7,
  mmap: 9,
  munmap: 11,
  madvise: 28,
  nanosleep: 35,
  futex: 202,
  restart_syscall: 219,
  clock_nanosleep: 230,
  memfd_create: 319,
} as const;

export const ERESTART = {
  ERESTARTSYS: 512,
  ERESTARTNOINTR: 513,
  ERESTARTNOHAND: 514,
  ERESTART_RESTARTBLOCK: 516,
} as const;

export const SYSCALL_SIZE = 2;

const FUTEX_WAIT_BITSET = 9;
/** Without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME. */
const FUTEX_COMMANDS = 0x7f;

export function executeAgain(registers: RegisterView): void {
  registers.set("rip", registers.rip - SYSCALL_SIZE);
  registers.set("rax", registers.signed("orig_rax"));
  registers.set("orig_rax", -1);
}

/** Takes executeAgain back: the call ends with EINTR. */
export function interruptAgain(registers: RegisterView): void {
  registers.set("rip", registers.rip + SYSCALL_SIZE);
  registers.set("orig_rax", registers.signed("rax"));
  registers.set("rax", -ERRNO.EINTR);
}

/**
 * Has a wait without end, or until a moment, made again instead of continued; a handler interrupts
 * it with EINTR either way. True when the registers changed.
 */
export function makeAgain(registers: RegisterView): boolean {
  if (registers.signed("rax") !== -ERESTART.ERESTART_RESTARTBLOCK) return false;
  if (!isSameWhenMadeAgain(registers)) return false;
  registers.set("rax", -ERESTART.ERESTARTNOHAND);
  return true;
}

/** futex(2): the time limit of FUTEX_WAIT_BITSET is a moment, that of FUTEX_WAIT a duration. */
export const hasFutexDeadline = (operation: number): boolean =>
  (operation & FUTEX_COMMANDS) === FUTEX_WAIT_BITSET;

function isSameWhenMadeAgain(registers: RegisterView): boolean {
  switch (registers.signed("orig_rax")) {
    case SYSCALL.poll:
      return registers.signed32("rdx") < 0; // No time limit.
    case SYSCALL.futex:
      return hasFutexDeadline(registers.signed32("rsi"));
    default:
      return false;
  }
}
