/** Keeps the spool like the channel, and tells the executor when there is something new. */
import type { SignedAssignment } from "@suture/contract";
import { type Catalog, type QualityUpdate, ReleaseError, UpdateKind } from "@suture/release";
import { AgentError } from "../errors.ts";
import { askExecutor, ExecutorRefusal } from "../executor-client.ts";
import { isObject } from "../fields.ts";
import { backoffMs, jittered, type Random } from "./backoff.ts";
import type { ChannelMirror } from "./channel-mirror.ts";
import { NetworkError } from "./errors.ts";
import type { ExecutorView } from "./executor-view.ts";
import type { NetworkHealth } from "./findings.ts";
import { channelIntervalMs } from "./limits.ts";
import { createWake } from "./wake.ts";

export interface ChannelLoopOptions {
  readonly mirror: ChannelMirror;
  readonly socket: string;
  readonly view: ExecutorView;
  readonly isManaged: boolean;
  readonly random: Random;
  readonly startWithinMs: number;
  readonly onProblem: () => void;
  readonly faultPoint: (name: string) => void;
  readonly log: (text: string) => void;
}

export interface ChannelLoop {
  readonly problem: () => NetworkHealth["channelProblem"];
  /** Look at the channel now; `assignment` says what is wanted of it. */
  readonly refreshNow: (assignment?: SignedAssignment) => void;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** What the executor says when the spool lacks what it needs, though our client is content. */
const incompleteSpool: readonly string[] = ["file-missing", "wrong-content", "metadata-not-json"];

export function createChannelLoop(options: ChannelLoopOptions): ChannelLoop {
  const { mirror, view, random } = options;
  const wake = createWake();
  let problem: NetworkHealth["channelProblem"];
  let assigned: ReadonlySet<string> = new Set();
  const refresh = async (): Promise<void> => {
    const wanted = (catalog: Catalog): QualityUpdate[] =>
      wantedUpdates(catalog, { view, assigned, isManaged: options.isManaged });
    await mirror.refresh(wanted);
    if (await tellExecutor(options)) return;
    await mirror.forget();
    await mirror.refresh(wanted);
    await tellExecutor(options);
  };
  return {
    problem: () => problem,
    refreshNow(assignment) {
      if (assignment) assigned = targetsOf(assignment);
      wake.wake();
    },
    async run(signal) {
      await createWake().wait(random() * options.startWithinMs, signal);
      while (!signal.aborted) {
        const hadProblem = problem !== undefined;
        try {
          await refresh();
          problem = undefined;
        } catch (error) {
          if (!isExpected(error)) throw error;
          problem = { error, failures: (problem?.failures ?? 0) + 1 };
          if (problem.failures === 1) options.log(`channel: ${error.message}`);
        }
        if (hadProblem || problem !== undefined) options.onProblem();
        const waitMs = problem
          ? backoffMs(problem.failures, random)
          : jittered(channelIntervalMs, random);
        await wake.wait(waitMs, signal);
      }
    },
  };
}

/** What the system says of a file counts as well: the agent goes on telling what is wrong. */
const isExpected = (error: unknown): error is Error =>
  error instanceof ReleaseError ||
  error instanceof NetworkError ||
  (error instanceof Error && "syscall" in error);

/** False where the executor misses files in the spool. An executor that is gone asks later. */
async function tellExecutor({ socket, view, faultPoint }: ChannelLoopOptions): Promise<boolean> {
  if (!view.isThere()) return true;
  try {
    const { problem } = await askExecutor(socket, "channel-changed", {});
    faultPoint("channel-told");
    return problem === undefined || !incompleteSpool.includes(problem.code);
  } catch (error) {
    if (error instanceof AgentError || error instanceof ExecutorRefusal) return true;
    throw error;
  }
}

interface Wanted {
  readonly view: ExecutorView;
  readonly assigned: ReadonlySet<string>;
  readonly isManaged: boolean;
}

/**
 * What is worth a download: what the assignment names, and for each program and library that runs
 * here the newest hotpatch; with a control plane that has said what it wants, only that.
 */
function wantedUpdates(catalog: Catalog, { view, assigned, isManaged }: Wanted): QualityUpdate[] {
  const buildIds = new Set(view.facts()?.components.map(({ buildId }) => buildId));
  const offered = catalog.updates.filter(({ withdrawn }) => withdrawn === undefined);
  const newest = new Map<string, QualityUpdate>();
  for (const update of offered) {
    if (update.kind === UpdateKind.baseline) continue;
    for (const { buildId } of update.components) {
      const before = newest.get(buildId);
      if (!buildIds.has(buildId) || (before && before.sequence >= update.sequence)) continue;
      newest.set(buildId, update);
    }
  }
  const prefetched = isManaged && assigned.size > 0 ? [] : newest.values();
  return [...new Set([...offered.filter(({ target }) => assigned.has(target)), ...prefetched])];
}

/** Only to know what to fetch; the executor verifies the document. */
function targetsOf({ document }: SignedAssignment): ReadonlySet<string> {
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return new Set();
  }
  const apply = isObject(value) && Array.isArray(value.apply) ? value.apply : [];
  return new Set(
    apply.flatMap((entry: unknown) => (isObject(entry) ? [String(entry.target)] : [])),
  );
}
