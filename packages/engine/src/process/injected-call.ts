/**
 * System calls that the target makes itself, in a way that survives the death of the tracer.
 *
 * The usual way to inject a call (set the registers, step over a `syscall` instruction, put the
 * registers back) leaves a broken thread when the tracer is killed in between. Here a stopped
 * thread is sent on a detour once: it makes all the calls, then gets every register back without
 * our help, and goes on where it was. There are two detours: signal-frames.ts, which needs no code
 * of ours, and injected-code.ts for threads that cannot take that one.
 */
import type { VirtualAddr } from "../bytes/address.ts";
import { ERESTART, SYSCALL, SYSCALL_SIZE } from "./interrupted-call.ts";
import { ERRNO } from "./libc.ts";
import { type RegisterView, USER_CS_64 } from "./registers.ts";

/** An argument: a number, or the address of the request's name as a C string. */
export type Argument = number | "name";

export interface InjectedCall {
  readonly number: number;
  readonly args: readonly Argument[];
}

/** Where the thread goes on afterwards, and with which rax. */
export interface ReturnPoint {
  readonly rip: VirtualAddr;
  readonly rax: bigint;
  /** The rest of a wait is known to the kernel alone, which forgets it at rt_sigreturn(2). */
  readonly keepsRestartBlock: boolean;
}

/**
 * Where a stopped thread has to go on, or undefined where it must not be used for a call: it
 * runs 32-bit code, or its system call ended with EINTR for the process to see.
 *
 * A thread stopped in a system call that the kernel would restart goes back to the `syscall`
 * instruction with the number of the call in rax, as the kernel does it (arch/x86/kernel/signal.c,
 * arch_do_signal_or_restart). Calls that go on with restart_syscall(2) keep their remaining time.
 */
export function returnPoint(registers: RegisterView): ReturnPoint | undefined {
  if (registers.signed("cs") !== USER_CS_64) return undefined;
  const { rip } = registers;
  const back = (rip - SYSCALL_SIZE) as VirtualAddr;
  const going = { rip, rax: registers.big("rax"), keepsRestartBlock: false };
  if (registers.signed("orig_rax") < 0) {
    // Sent back to a restart_syscall by an earlier detour, and not yet in it again.
    return { ...going, keepsRestartBlock: going.rax === BigInt(SYSCALL.restart_syscall) };
  }
  const again = { rip: back, rax: registers.big("orig_rax"), keepsRestartBlock: false };
  switch (-registers.signed("rax")) {
    case ERESTART.ERESTARTSYS:
    case ERESTART.ERESTARTNOINTR:
    case ERESTART.ERESTARTNOHAND:
      return again;
    case ERESTART.ERESTART_RESTARTBLOCK:
      return { rip: back, rax: BigInt(SYSCALL.restart_syscall), keepsRestartBlock: true };
    case ERRNO.EINTR: // Left because of a signal.
      return undefined;
    default:
      return going;
  }
}

/** Where a thread is sent, and with which stack pointer where that changes. */
export interface Destination {
  readonly rip: VirtualAddr;
  readonly rsp?: VirtualAddr;
}

/** Points the stopped thread elsewhere. orig_rax = -1: there is no call left to restart. */
export function redirect(registers: RegisterView, to: Destination): void {
  registers.set("rip", to.rip);
  if (to.rsp !== undefined) registers.set("rsp", to.rsp);
  registers.set("orig_rax", -1);
}
