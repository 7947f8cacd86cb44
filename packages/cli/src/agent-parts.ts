/** The agent, and what it is told of the machine and the process that it runs in. */
import type * as agent from "@suture/agent";
import type * as release from "@suture/release";
import type { ChildOptions, CommandChild } from "./child-command.ts";

type AgentPackage = typeof agent;

export interface AgentParts
  extends AgentPackage,
    Pick<typeof release, "folderFiles" | "openReleaseClient" | "ReleaseError"> {
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Who runs the command. */
  readonly userId: number;
  readonly fetch: typeof globalThis.fetch;
  readonly machine: agent.NetworkHalfOptions["machine"];
  /** Starts this same command with other words. */
  readonly startCommand: (words: readonly string[], options?: ChildOptions) => CommandChild;
  /** All of standard input, at most so many bytes. */
  readonly readInput: (bytesMax: number) => Promise<Uint8Array>;
  readonly faultPoint: (name: string) => void;
}
