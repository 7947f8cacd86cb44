/**
 * Step 4, second half: the process maps the hotpatch's memory, by injected calls.
 *
 * The memory is a file without a directory entry (memfd_create(2)) whose name shows in
 * /proc/PID/maps, mapped privately, one range for each protection. A thread that sleeps makes all
 * the calls at once. Where every thread is at work, the calls are made in two parts, so that none is
 * away for long; the file stays open in between, and the next command closes it should this one be
 * killed.
 */
import { readdirSync, readlinkSync } from "node:fs";
import type { InjectedCall } from "../process/injected-call.ts";
import type { Thread } from "../process/thread.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal } from "../refusals.ts";
import { injectCalls, isAllBusy, leaveRoom } from "./injection.ts";
import type { ApplyPlan } from "./plan.ts";
import { removeMemory } from "./removal.ts";
import { type Context, FILE_PATH, readMappings, type Target } from "./target.ts";

/** Maps the memory, or refuses: a range that was taken meanwhile is not mapped, and none stays. */
export function mapMemory(
  context: Context,
  target: Target,
  stop: ThreadStop,
  plan: ApplyPlan,
): Thread | Refusal {
  const caller = isAllBusy(stop)
    ? callTwice(context, target, stop, plan)
    : inject(context, target, stop, plan, [plan.createFile, ...plan.mapFile("kept")], () =>
        isAllMapped(target, plan),
      );
  if (!isRefusal(caller)) return caller;
  const own = readMappings(target.pid).filter((mapping) => isOfPlan(mapping.path, plan));
  for (const range of own) removeMemory({ context, target, stop, range, entries: [] });
  return caller;
}

/** Descriptors of hotpatch files that the process still holds: a command was killed. */
export const findOpenFiles = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .filter((descriptor) => readLink(pid, descriptor).startsWith(FILE_PATH));

function callTwice(
  context: Context,
  target: Target,
  stop: ThreadStop,
  plan: ApplyPlan,
): Thread | Refusal {
  const opened = () => findOpenFiles(target.pid);
  const caller = inject(context, target, stop, plan, [plan.createFile], () => opened().length > 0);
  const [descriptor] = opened();
  if (isRefusal(caller) || descriptor === undefined) return caller;
  context.faultPoint("file-created");
  const inside = leaveRoom(
    () => context.libc.sleepMicroseconds(200),
    stop,
    target.memory,
    plan.room,
    caller,
  );
  if (inside) return inside;
  const done = () => !opened().includes(descriptor) && isAllMapped(target, plan);
  return inject(context, target, stop, plan, plan.mapFile(descriptor), done);
}

function inject(
  context: Context,
  target: Target,
  stop: ThreadStop,
  plan: ApplyPlan,
  calls: readonly InjectedCall[],
  done: () => boolean,
): Thread | Refusal {
  const pause = () => context.libc.sleepMicroseconds(20);
  const { room, name } = plan;
  return injectCalls({ stop, memory: target.memory, room, name, calls, done, pause });
}

function isAllMapped(target: Target, plan: ApplyPlan): boolean {
  const own = readMappings(target.pid).filter((mapping) => isOfPlan(mapping.path, plan));
  return plan.mapped.every((range) => own.some((mapping) => mapping.start === range.start));
}

const isOfPlan = (path: string, plan: ApplyPlan): boolean =>
  path.startsWith(`/memfd:${plan.name} `);

function readLink(pid: number, descriptor: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
  } catch (error) {
    // Closed meanwhile, or a kind of file whose link cannot be read.
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}
