/**
 * Step 4, second half: the process maps the hotpatch's memory, by injected calls.
 *
 * The memory is a file without a directory entry (memfd_create(2)) whose name shows in
 * /proc/PID/maps, mapped privately, one range for each protection. First the process creates the
 * file; which descriptor it got is read from /proc; then it maps and closes it. Should we be killed
 * in between, the next command has it close the file.
 */
import { readdirSync, readlinkSync } from "node:fs";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { injectCalls } from "./injection.ts";
import type { ApplyPlan } from "./plan.ts";
import { removeMemory } from "./removal.ts";
import type { SpareRoom } from "./spare-room.ts";
import { type Context, describe, FILE_PATH, readMappings, type Target } from "./target.ts";

/**
 * Maps the memory, or refuses: a range that was taken meanwhile is not mapped, and none stays.
 * Returns the unused bytes of modules that served for it.
 */
export function mapMemory(
  context: Context,
  target: Target,
  stop: ThreadStop,
  plan: ApplyPlan,
): readonly SpareRoom[] | Refusal {
  const rooms = createAndMap(context, target, stop, plan);
  if (!isRefusal(rooms)) return rooms;
  const own = readMappings(target.pid).filter((mapping) => isOfPlan(mapping.path, plan));
  for (const range of own) removeMemory({ context, target, stop, range, entries: [], rooms: [] });
  return rooms;
}

/** Descriptors of hotpatch files that the process still holds: a command was killed. */
export const findOpenFiles = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .filter((descriptor) => readLink(pid, descriptor).startsWith(FILE_PATH));

function createAndMap(
  context: Context,
  target: Target,
  stop: ThreadStop,
  plan: ApplyPlan,
): readonly SpareRoom[] | Refusal {
  const { means, name } = plan;
  const request = { context, target, stop, means, name };
  const opened = () => findOpenFiles(target.pid);
  const created = injectCalls({
    ...request,
    calls: [plan.createFile],
    done: () => opened().length > 0,
  });
  if (isRefusal(created)) return created;
  const [descriptor] = opened();
  if (descriptor === undefined) {
    return refuse(
      "remote-call-failed",
      `${describe(target.image)} closed a file that it was just made to open`,
      "try again; a program that closes descriptors it does not know may need several attempts",
    );
  }
  context.faultPoint("file-created");
  const calls = plan.mapFile(descriptor);
  const mapped = injectCalls({
    ...request,
    calls,
    done: (made) =>
      isMapped(target, plan, made) && (made < calls.length || !opened().includes(descriptor)),
  });
  if (isRefusal(mapped)) return mapped;
  return [created.room, mapped.room].filter((room) => room !== undefined);
}

/** Whether the first `count` ranges are mapped. */
function isMapped(target: Target, plan: ApplyPlan, count: number): boolean {
  const own = readMappings(target.pid).filter((mapping) => isOfPlan(mapping.path, plan));
  const wanted = plan.mapped.slice(0, count);
  return wanted.every((range) => own.some((mapping) => mapping.start === range.start));
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
