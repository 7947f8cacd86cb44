/**
 * The parts of our packages that the commands use.
 *
 * They are handed over as values, and the packages are loaded when a command asks for them: help
 * has to work on a machine where the engine cannot.
 */
import type * as builder from "@suture/builder";
import type * as engine from "@suture/engine";
import type * as release from "@suture/release";

export interface EngineParts extends Pick<typeof engine, "isRefusal" | "parseHotpatch"> {
  readonly engine: engine.Engine;
  /** The content of a section of the hotpatch file; undefined where there is no such section. */
  readonly sectionNamed: (hotpatch: engine.Hotpatch, name: string) => Uint8Array | undefined;
}

export type BuilderParts = Pick<
  typeof builder,
  "buildHotpatch" | "compareVersions" | "isBuildRefusal" | "isSameHotpatch" | "verifyHotpatch"
>;

type ReleasePackage = typeof release;

/** The package, and what it is told of the world around it. */
export interface ReleaseParts extends ReleasePackage {
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Who runs the command: key files must be theirs. */
  readonly userId: number;
  /** Asks on the terminal, without echo. Throws UsageError where there is no terminal. */
  readonly askSecret: (question: string) => Promise<string>;
  /** All that can be read from a file descriptor. */
  readonly readDescriptor: (descriptor: number) => Uint8Array;
  readonly fetch: typeof globalThis.fetch;
}

export type ProcessSummary = ReturnType<engine.Engine["processes"]>[number];
export type AppliedHotpatch = Exclude<ReturnType<engine.Engine["status"]>, engine.Refusal>[number];
