/** What the agent did to processes, or would do: the answers of apply and remove. */
import type { ActionReport } from "@suture/agent";
import { type Block, done, line, type Outcome, table } from "../outcome.ts";

const carriedOut: readonly string[] = ["done", "would-do"];

/** Refused if anything was refused: the first refusal is the problem, the table shows all. */
export function actionsOutcome(actions: readonly ActionReport[], nothing: string): Outcome {
  const document = { actions };
  if (actions.length === 0) return done(document, line(nothing));
  const blocks = [actionsTable(actions)];
  const refused = actions.find(({ outcome }) => !carriedOut.includes(outcome));
  if (refused === undefined) return done(document, ...blocks);
  const { outcome: reason, detail, next = "look at: suture status" } = refused;
  return {
    exit: "refused",
    document,
    blocks,
    problem: { reason, detail: `${refused.file}: ${detail}`, next },
  };
}

const actionsTable = (actions: readonly ActionReport[]): Block =>
  table(
    [
      { title: "ACTION" },
      { title: "HOTPATCH", cutTo: 16 },
      { title: "FILE", cutTo: 16 },
      { title: "PIDS", cutTo: 8 },
      { title: "OUTCOME" },
      { title: "PAUSE", align: "right" },
      { title: "DETAIL", cutTo: 16 },
    ],
    actions.map(({ action, hotpatch, target, file, pids, outcome, pauseMicroseconds, detail }) => [
      action,
      hotpatch ?? target ?? "-",
      file,
      pids.join(" ") || "-",
      outcome,
      pauseMicroseconds === undefined ? "-" : `${Math.round(pauseMicroseconds)} µs`,
      detail,
    ]),
  );
