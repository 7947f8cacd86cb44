/**
 * Callers that know more of a changed function than its ABI says.
 *
 * With -fipa-ra gcc lets a caller keep values in registers that the callee, as compiled, leaves
 * alone; with -fipa-stack-alignment a caller of a leaf function does not align the stack. A new
 * callee that uses more registers or calls further would break such a caller:
 *
 *     before:  bump() writes rax         after:  bump() writes rax and rcx
 *     total(): mov %rdi,%rcx             total() as it runs still keeps its value in rcx
 *              call bump
 *              add %rcx,%rax
 *
 * Why this is sound all the same: before and after are whole compilations of the unit. A caller
 * that relied on rcx cannot be compiled the same way after; its code differs, so it is changed
 * and replaced together with the callee. A caller with equal code on both sides was compiled
 * with the new callee in view and may call it. Two things are left to do here:
 *
 * - to verify the reasoning on the code: an unchanged caller that reads a newly written register
 *   after the call (a mix of compilations, hand-made code) is made to come along;
 * - to name the unchanged callers for which it matters, so that the running module can be shown
 *   to hold exactly that code.
 *
 * Sets are transitive over the calls in the unit, so a caller of a caller is found as well.
 */
import { type CallGraph, readBeforeWritten } from "./call-graph.ts";
import type { Twins } from "./correlate.ts";
import { CALLER_SAVED, RETURN_REGISTERS, type RegisterSet } from "./registers.ts";

export interface CallerFindings {
  /** Unchanged callers that read a register which the new callee writes: they must come along. */
  readonly relying: readonly Twins[];
  /** Unchanged callers whose code must be found unchanged in the running module. */
  readonly toMatch: readonly Twins[];
}

/** Finds the callers among the unchanged functions of a unit. */
export function findKnowingCallers(request: {
  readonly before: CallGraph;
  readonly after: CallGraph;
  readonly functions: readonly Twins[];
  readonly isChanged: (twins: Twins) => boolean;
}): CallerFindings {
  const { before, after, functions, isChanged } = request;
  const byBefore = new Map(functions.map((twins) => [twins.before.index, twins]));
  const relying = new Set<Twins>();
  const toMatch = new Set<Twins>();
  for (const callee of functions) {
    const more =
      (after.clobbersOf(callee.after.index) & ~before.clobbersOf(callee.before.index)) >>> 0;
    const deeper =
      isChanged(callee) &&
      isLeaf(before, callee.before.index) &&
      !isLeaf(after, callee.after.index);
    if (more === 0 && !deeper) continue;
    for (const index of before.callersOf(callee.before.index)) {
      const caller = byBefore.get(index);
      if (caller === undefined || isChanged(caller)) continue;
      toMatch.add(caller);
      if (relies(before, caller.before.index, { callee: callee.before.index, more })) {
        relying.add(caller);
      }
    }
  }
  return { relying: [...relying], toMatch: [...toMatch] };
}

const isLeaf = (graph: CallGraph, index: number): boolean => graph.codeOf(index).calls.length === 0;

function relies(
  graph: CallGraph,
  caller: number,
  { callee, more }: { readonly callee: number; readonly more: RegisterSet },
): boolean {
  const code = graph.codeOf(caller);
  const wanted = (more & CALLER_SAVED & ~RETURN_REGISTERS) >>> 0;
  const calls = new Map(code.calls.map((call) => [call.instruction, call]));
  const killedBy = (instruction: number): RegisterSet => {
    const call = calls.get(instruction);
    if (call === undefined || call.callee === callee) return 0;
    return call.callee === undefined ? CALLER_SAVED : graph.clobbersOf(call.callee);
  };
  return code.calls
    .filter((call) => call.callee === callee && !call.tail)
    .some(({ instruction }) => readBeforeWritten(code, instruction + 1, wanted, killedBy) !== 0);
}
