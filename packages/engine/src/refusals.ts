/**
 * Every reason for which the engine refuses, in one table.
 *
 * A refusal is safe and expected: nothing was changed. The command line's exit code, the
 * documentation (docs/reason-codes.md) and a test come from this table.
 */
export const REFUSALS = {
  "wrong-build-id": "the process does not map the file that the hotpatch was built for",
  "changed-code": "the code to be replaced is not what the hotpatch was built from",
  "missing-symbol": "a symbol that the new code needs is not in the process",
  "unsupported-relocation": "the hotpatch object needs a relocation that cannot be placed",
  "unresolved-ifunc": "an indirect function that the new code needs was not resolved yet",
  "unresolved-tls": "the place of a thread-local variable could not be found",
  "function-on-stack": "a thread is inside a function that would be switched",
  "function-too-short": "a function has no room for the jump",
  "process-gone": "the process has ended",
  "process-stopped": "the process is stopped by a signal or a freezer",
  "not-permitted": "the kernel does not let this user trace the process",
  "already-traced": "another program is tracing the process",
  "unsupported-process": "the process is not a 64-bit x86 program",
  "threads-did-not-stop": "a thread did not stop within the deadline",
  "no-room-near-module": "no free address range lies within reach of the module",
  "no-room-for-call":
    "no system call to use and no unused executable bytes were found for the injected call",
  "remote-call-failed": "the process could not map memory",
  seccomp: "the process filters system calls and the filter cannot be suspended",
  "already-applied": "this hotpatch is in the process already",
  "unreadable-record": "the record of a hotpatch in the process cannot be read",
  "newer-applied": "a newer hotpatch of this baseline is in the process",
  "variable-not-kept": "a variable of the superseded hotpatch cannot keep its value",
  "callback-refused": "a pre-apply callback of the hotpatch said no",
  "callback-failed": "a callback of the hotpatch faulted or did not return in time",
  "no-thread-for-callback": "no thread of the process can run the hotpatch's callbacks",
  "not-applied": "this hotpatch is not in the process",
  busy: "another suture command is working on the process",
  "bad-hotpatch": "the hotpatch file is damaged or was altered",
  "text-relocations": "the module's code is changed when it is loaded",
} as const;

export type RefusalReason = keyof typeof REFUSALS;

/** A safe and expected no: what was refused, about what, and what to do next. */
export interface Refusal {
  readonly refused: RefusalReason;
  /** Names the object: the process, function, symbol or thread. */
  readonly detail: string;
  readonly next: string;
}

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === "object" && value !== null && "refused" in value;

export const refuse = (refused: RefusalReason, detail: string, next: string): Refusal => ({
  refused,
  detail,
  next,
});
