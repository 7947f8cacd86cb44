/** The agent, and what it is told of the machine and the process that it runs in. */
import type * as agent from "@suture/agent";
import type * as release from "@suture/release";
import type { ChildOptions, CommandChild } from "./child-command.ts";

type AgentPackage = typeof agent;

/** What a command line chooses of the executor. */
export type ExecutorChoice = Pick<
  agent.ExecutorOptions,
  "folders" | "log" | "network" | "processFolder" | "updateUnit"
>;

export interface AgentParts
  extends AgentPackage,
    Pick<typeof release, "folderFiles" | "openReleaseClient" | "ReleaseError"> {
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly processId: number;
  /** Now: it changes when the parent ends. */
  readonly parentId: () => number;
  /** Who runs the command, now. */
  readonly userId: number;
  /** Becomes the user for good: no group, capability or saved id of root's is left. */
  readonly becomeUser: (user: { readonly uid: number; readonly gid: number }) => void;
  readonly fetch: release.HttpRequest;
  readonly machine: agent.NetworkHalfOptions["machine"];
  /** Starts this same command with other words. */
  readonly startCommand: (words: readonly string[], options?: ChildOptions) => CommandChild;
  /** All of standard input, at most so many bytes. */
  readonly readInput: (bytesMax: number) => Promise<Uint8Array>;
  readonly loadExecutorHalf: () => Promise<unknown>;
  /** The executor half with the engine. Both are loaded when it is asked for. */
  readonly openExecutorHalf: (options: ExecutorChoice) => Promise<agent.Executor>;
  readonly releaseMemoryOnceStarted: () => void;
  readonly beginCompiled: (load: () => Promise<unknown>) => Promise<void>;
  readonly faultPoint: (name: string) => void;
}
