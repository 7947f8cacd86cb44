import { resolve } from "node:path";
import type { AgentParts } from "../agent-parts.ts";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import { runBothHalves } from "./agent-halves.ts";
import {
  noPositionals,
  onAgent,
  ROOT_OPTION,
  rootOf,
  USER_OPTION,
  userOf,
} from "./agent-request.ts";
import { becomeNetworkUser } from "./network-user.ts";
import { numberOf } from "./release-request.ts";

export const agentRun: Command = {
  name: "agent run",
  summary: "run the agent, or one half of it, until it is told to end",
  usage: "[--half network|executor] [--root DIR] [--user NAME]",
  about:
    "Without --half, as root: starts the executor as root and the network half as the user\n" +
    "suture, starts a half that dies again, and ends both on SIGTERM or Ctrl-C. systemd runs each\n" +
    "half by itself: see docs/operations.md.",
  options: {
    half: { type: "string", value: "HALF", help: "network or executor: this half alone" },
    ...ROOT_OPTION,
    ...USER_OPTION,
    processes: {
      type: "string",
      value: "DIR",
      help: "look only after processes whose program lies in DIR",
    },
    "update-unit": {
      type: "string",
      value: "NAME@",
      help: "update a package by starting this systemd unit, instead of running apt-get",
    },
    parent: { type: "string", value: "PID", help: "end when this parent process has ended" },
    "start-within": {
      type: "string",
      value: "SECONDS",
      help: "first requests come within this time, at random (30)",
    },
  },
  example: "suture agent run\nsuture agent run --half network",
  run: onAgent(run),
};

const startWithinSeconds = 30;

async function run(args: Arguments, parts: AgentParts, context: Context): Promise<Outcome> {
  noPositionals(args, "agent run");
  const half = args.text("half");
  const startWithin = numberOf(args, "start-within", { min: 0, max: 3600 }) ?? startWithinSeconds;
  if (half === undefined) {
    if (parts.userId !== 0) return rootNeeded("without --half, agent run starts a half as root");
    parts.releaseMemoryOnceStarted();
    await runBothHalves({
      ...{ root: rootOf(args), user: userOf(args, context), startWithin, parts },
      processes: args.text("processes"),
      signal: context.endSignal(),
      log: context.progress,
    });
    return done({ ended: "both" }, line("both halves have ended"));
  }
  if (half === "network") return await runNetwork(args, parts, context, startWithin);
  if (half === "executor") return await runExecutor(args, parts, context);
  throw new UsageError(`--half ${half}: network or executor`);
}

async function runExecutor(args: Arguments, parts: AgentParts, context: Context): Promise<Outcome> {
  if (parts.userId !== 0) return rootNeeded("the executor half runs as root");
  const processes = args.text("processes");
  const updateUnit = args.text("update-unit");
  const { uid, gid } = userOf(args, context);
  await parts.beginCompiled(parts.loadExecutorHalf);
  const executor = await parts.openExecutorHalf({
    folders: parts.foldersBelow(rootOf(args)),
    network: { uid, gid },
    log: (text) => context.progress(`executor half: ${text}`),
    ...(processes !== undefined && { processFolder: resolve(processes) }),
    ...(updateUnit !== undefined && { updateUnit }),
  });
  parts.releaseMemoryOnceStarted();
  await executor.run(endSignal(args, parts, context));
  return done({ ended: "executor" });
}

async function runNetwork(
  args: Arguments,
  parts: AgentParts,
  context: Context,
  startWithin: number,
): Promise<Outcome> {
  const refused = await becomeNetworkUser(args, parts, context);
  if (refused !== undefined) return refused;
  const { openNetworkHalf } = await parts.loadNetworkHalf();
  const half = openNetworkHalf({
    ...parts,
    folders: parts.foldersBelow(rootOf(args)),
    startWithinMs: startWithin * 1000,
    log: (text) => context.progress(`network half: ${text}`),
  });
  parts.releaseMemoryOnceStarted();
  await half.run(endSignal(args, parts, context));
  return done({ ended: "network" });
}

const parentLookMs = 3000;

/** Aborts when the command is told to end, or its parent has ended. */
function endSignal(args: Arguments, parts: AgentParts, context: Context): AbortSignal {
  const parent = numberOf(args, "parent", { min: 1, max: 999_999_999 });
  const told = context.endSignal();
  if (parent === undefined) return told;
  const orphaned = new AbortController();
  const timer = setInterval(() => {
    if (parts.parentId() !== parent) orphaned.abort();
  }, parentLookMs);
  timer.unref();
  return AbortSignal.any([told, orphaned.signal]);
}

export const rootNeeded = (detail: string): Outcome =>
  failed("refused", { reason: "root-needed", detail, next: "run it as root: sudo suture …" });
