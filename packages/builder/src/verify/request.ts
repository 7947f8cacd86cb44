/** What a hotpatch is verified with, and what is found. */
import type { Engine } from "../engine.ts";
import type { VerifyProblem } from "./problems.ts";

export interface VerifyRequest {
  /** The hotpatch file: its path or its bytes. */
  readonly hotpatch: string | Uint8Array;
  /**
   * The program or library that it is for. Left out, an installed file with that Build-ID is
   * looked for under the usual folders.
   */
  readonly binary?: string;
  /** For a library: the program in whose process it is loaded (dlopen); else one that waits. */
  readonly host?: string;
  /**
   * A shell command that starts the program for real. Needed for static programs; else the
   * program is held before its main function.
   */
  readonly run?: string;
  /** A build root in which the program finds its libraries. Needs root. */
  readonly root?: string;
  /** Folders where libraries are looked for first. */
  readonly libraryPath?: readonly string[];
  /** A shell command that has to succeed while the hotpatch is applied. */
  readonly test?: string;
  /** Threads that sleep in the process besides its first; 0 unless given. Not with `run`. */
  readonly threads?: number;
  /** For the compiler, the test command and PATH of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For the start, and again for the test command, in milliseconds; a minute unless given. */
  readonly timeoutMs?: number;
  /** Where the small object that holds a program is kept between two calls. */
  readonly cacheFolder?: string;
  /** One that was used before is warm: whoever verifies many hotpatches gives it. */
  readonly engine?: Engine;
  /** Called, and awaited, before each step; `pid` is known from `apply` on. */
  readonly onStep?: (step: VerifyStepName, pid?: number) => void | Promise<void>;
}

export type VerifyStepName = "start" | "apply" | "redirects" | "test" | "revert" | "memory" | "end";

export interface VerifyStep {
  readonly name: VerifyStepName;
  readonly ok: boolean;
  /** A sentence on what was found. */
  readonly detail: string;
  readonly milliseconds: number;
}

/** A replaced function as it was found in the process. Addresses are those of the process. */
export interface VerifiedFunction {
  readonly name: string;
  readonly entry: number;
  readonly replacement: number;
  /** Bytes of new code that were compared with the hotpatch's object. */
  readonly size: number;
}

export interface VerifyReport {
  /** True when every step was done and found all as it has to be. */
  readonly ok: boolean;
  readonly id?: string;
  readonly buildId?: string;
  readonly binary?: string;
  readonly pid?: number;
  /** The engine switched the process. */
  readonly applied: boolean;
  /** The engine switched it back. */
  readonly reverted: boolean;
  /** Those that lead to their new code. */
  readonly functions: readonly VerifiedFunction[];
  readonly steps: readonly VerifyStep[];
  readonly milliseconds: number;
  /** Why it is not confirmed. */
  readonly problem?: VerifyProblem;
}
