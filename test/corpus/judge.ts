/** What a row's outcome means, and whether it is what the list expects. */
import { FINE } from "../../packages/builder/src/refusals.ts";
import type { CorpusRow } from "./list.ts";
import type { BinaryOutcome, RowOutcome } from "./row.ts";

export type Verdict = "built" | "restart-needed" | "nothing-to-do" | "failed" | "gone";

export interface RowVerdict {
  readonly verdict: Verdict;
  /** A reason code; absent where a hotpatch was built. */
  readonly reason?: string;
  /** What is in the way, or what else there is to say. */
  readonly detail?: string;
  /** Functions that are replaced, in any of the programs and libraries. */
  readonly functions: readonly string[];
  readonly binaries: readonly BinaryVerdict[];
}

export interface BinaryVerdict {
  readonly file: string;
  readonly verdict: Verdict;
  readonly reason?: string;
  readonly functions?: readonly string[];
  readonly detail?: readonly string[];
}

/** Codes that mean that a restart is the answer; all others are failures of the build. */
const restartCodes = new Set(["not-patchable"]);

export function judgeOutcome({ binaries, refusal }: RowOutcome): RowVerdict {
  if (refusal !== undefined) {
    const verdict = refusal.refused === "no-change" ? "nothing-to-do" : "failed";
    const detail = refusal.items.map((item) => `${item.name}: ${item.detail}`).join("; ");
    return { verdict, reason: refusal.refused, detail, functions: [], binaries: [] };
  }
  const judged = binaries.flatMap((binary) => judgeBinary(binary) ?? []);
  const worst = (["failed", "restart-needed", "built", "nothing-to-do"] as const)
    .map((verdict) => judged.find((binary) => binary.verdict === verdict))
    .find((binary) => binary !== undefined);
  const functions = [...new Set(judged.flatMap((binary) => binary.functions ?? []))].sort();
  const detail = worst?.detail?.join("; ");
  return {
    verdict: worst?.verdict ?? "nothing-to-do",
    ...(worst === undefined && { reason: "not-in-binary" }),
    ...(worst?.reason !== undefined && { reason: worst.reason }),
    ...(detail !== undefined && { detail }),
    functions,
    binaries: judged,
  };
}

function judgeBinary({ path, outcome }: BinaryOutcome): BinaryVerdict | undefined {
  switch (outcome.kind) {
    case "not-concerned":
      return undefined;
    case "no-change":
      return { file: path, verdict: "nothing-to-do", reason: "no-change" };
    case "built": {
      const names = outcome.assembled.description.functions.map(({ name }) => name);
      return { file: path, verdict: "built", functions: names };
    }
    case "refused": {
      const { refused, items } = outcome.refusal;
      const obstacles = items.filter(({ code }) => code !== FINE);
      const first = obstacles[0];
      return {
        file: path,
        verdict: restartCodes.has(refused) ? "restart-needed" : "failed",
        reason: first?.code ?? refused,
        detail: obstacles.map(({ code, name, detail }) => `${code} ${name}: ${detail}`),
      };
    }
  }
}

export type Score = "right" | "wrong" | "gone";

/** The verdict that a class asks for. */
export const expectedVerdict = (kind: string): Verdict =>
  /^[abc]$/.test(kind) ? "built" : /^[de]$/.test(kind) ? "restart-needed" : "nothing-to-do";

export const scoreRow = (row: Pick<CorpusRow, "class">, verdict: Verdict): Score =>
  verdict === "gone" ? "gone" : verdict === expectedVerdict(row.class) ? "right" : "wrong";
