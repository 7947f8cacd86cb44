/**
 * The parts of engine and builder that the commands use.
 *
 * They are handed over as values, and the packages are loaded when a command asks for them: help
 * has to work on a machine where the engine cannot.
 */
import type * as builder from "@suture/builder";
import type * as engine from "@suture/engine";

export interface EngineParts extends Pick<typeof engine, "isRefusal" | "parseHotpatch"> {
  readonly engine: engine.Engine;
  /** The content of a section of the hotpatch file; undefined where there is no such section. */
  readonly sectionNamed: (hotpatch: engine.Hotpatch, name: string) => Uint8Array | undefined;
}

export type BuilderParts = Pick<
  typeof builder,
  "buildHotpatch" | "isBuildRefusal" | "verifyHotpatch"
>;

export type ProcessSummary = ReturnType<engine.Engine["processes"]>[number];
export type AppliedHotpatch = Exclude<ReturnType<engine.Engine["status"]>, engine.Refusal>[number];
