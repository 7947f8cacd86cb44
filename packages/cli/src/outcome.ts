/** What a command gives back: the same facts for people and for programs, and how it ended. */
import type { Exit } from "./exit-codes.ts";

export interface Outcome {
  readonly exit: Exit;
  /** The one JSON document that `--json` prints; `ok` and `error` are added to it. */
  readonly document: Readonly<Record<string, unknown>>;
  /** What people read on standard output. */
  readonly blocks: readonly Block[];
  readonly problem?: Problem;
}

/** Why a command did not do what it was asked for. */
export interface Problem {
  /** A reason code: one of the engine's or the builder's refusals, or `usage`, `failed` … */
  readonly reason: string;
  /** Names the object and says what is wrong with it. */
  readonly detail: string;
  /** What to do now. */
  readonly next: string;
  /** More than one thing in the way. */
  readonly items?: readonly ProblemItem[];
}

export interface ProblemItem {
  readonly name: string;
  readonly code: string;
  readonly detail: string;
}

export type Block =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "table"; readonly columns: readonly Column[]; readonly rows: readonly Row[] };

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** May be cut where the terminal is narrow; at least this many characters are left. */
  readonly cutTo?: number;
}

export type Row = readonly string[];

export const line = (text: string): Block => ({ kind: "line", text });

export const table = (columns: readonly Column[], rows: readonly Row[]): Block => ({
  kind: "table",
  columns,
  rows,
});

export const done = (document: Outcome["document"], ...blocks: readonly Block[]): Outcome => ({
  exit: "done",
  document,
  blocks,
});

export const failed = (
  exit: Exclude<Exit, "done">,
  problem: Problem,
  document: Outcome["document"] = {},
): Outcome => ({ exit, document, blocks: [], problem });
