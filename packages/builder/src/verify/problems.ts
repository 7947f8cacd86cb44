/**
 * Every reason for which a hotpatch is not confirmed, besides the engine's own refusals.
 *
 * One table; docs/reason-codes.md repeats it and a test compares the two.
 */
import type { RefusalReason } from "../engine.ts";

export const VERIFY_PROBLEMS = {
  "no-baseline": "the program or library that the hotpatch is for was not found",
  "cannot-start": "no process with the program or library could be started",
  "not-redirected": "a replaced function does not lead to its new code",
  "test-failed": "the test command failed",
  "memory-differs": "memory is not as it was before the hotpatch was applied",
  "process-ended": "the process ended while the hotpatch was verified",
} as const;

export type VerifyProblemCode = keyof typeof VERIFY_PROBLEMS;

/** Why a hotpatch is not confirmed: the code, what it is about, and what to do next. */
export interface VerifyProblem {
  readonly reason: VerifyProblemCode | RefusalReason;
  readonly detail: string;
  readonly next: string;
}

export const problem = (
  reason: VerifyProblemCode,
  { detail, next }: { readonly detail: string; readonly next: string },
): VerifyProblem => ({ reason, detail, next });

export const isProblem = (value: unknown): value is VerifyProblem =>
  typeof value === "object" && value !== null && "reason" in value && "next" in value;
