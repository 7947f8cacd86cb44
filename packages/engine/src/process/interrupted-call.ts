/**
 * System calls that say EINTR although no signal came, only our stop (signal(7)).
 *
 * They are executed again: the instruction pointer goes back over the `syscall` instruction, with
 * the call's number in rax and no call for the kernel to restart (orig_rax = -1).
 */
import { ERRNO } from "./libc.ts";
import type { RegisterView } from "./registers.ts";

const SYSCALL_SIZE = 2;

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
