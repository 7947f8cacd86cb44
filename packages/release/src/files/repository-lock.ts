/**
 * One command at a time changes a repository: a lock file that says who holds it.
 *
 * The file `lock` in the folder names a process. It is made whole, by a hard link, so that nobody
 * reads half of it; the link fails where there is one. A holder that ended without removing it is
 * known by its process id and the moment that process began, for ids are used again.
 *
 * Such a lock is stale, and removing it needs care: two who find it stale must not both remove it,
 * for the second would remove the lock that the first has made meanwhile.
 *
 *     lock           {token: T, process 10, which is gone}
 *     lock.T         whoever makes this one, and still finds T in `lock`, may remove `lock`
 *
 * `lock.T` is a lock of the same kind, and may be stale itself.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, readlink, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ReleaseError } from "../errors.ts";

/** Who holds a lock. */
interface Holder {
  /** Tells this lock from every other. */
  readonly token: string;
  /** What it does, for people: `release sign`. */
  readonly task: string;
  readonly pid: number;
  /** In clock ticks since the machine began. */
  readonly startedAt: string;
  readonly host: string;
  readonly boot: string;
  /** The kernel's name for the set of process ids: containers have their own. */
  readonly pidNamespace: string;
}

export interface LockRequest {
  /** The folder of the repository. */
  readonly folder: string;
  /** What is done meanwhile, for those who are refused. */
  readonly task: string;
  /** Make the folder where it is missing. */
  readonly create?: true;
}

/** Attempts before giving up: each is lost to another command that got through. */
const attemptsMax = 100;

/** What is longer was not written here. */
const lockCharactersMax = 4096;

/**
 * Runs `act` while no other command changes the repository.
 *
 * Throws ReleaseError `repository-busy` at once where another does, and `repository-missing` where
 * there is no folder. A lock that another machine or container holds is never taken for stale.
 */
export async function withRepositoryLock<Result>(
  { folder, task, create }: LockRequest,
  act: () => Promise<Result>,
): Promise<Result> {
  if (create) await mkdir(folder, { recursive: true });
  const path = join(folder, "lock");
  const own = await describeSelf(task);
  const draft = `${path}.${own.token}.new`;
  try {
    await writeFile(draft, `${JSON.stringify(own)}\n`, { flag: "wx", mode: 0o644 });
    const holder = await take(path, draft);
    if (holder !== undefined) throw busy(path, holder);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    throw new ReleaseError("repository-missing", folder, "no such folder", { cause: error });
  } finally {
    await removeIfThere(draft);
  }
  try {
    return await act();
  } finally {
    await removeIfThere(path);
  }
}

/** Makes the lock; gives its holder where there is one who may live. */
async function take(path: string, draft: string): Promise<Holder | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await link(draft, path);
      return undefined;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const holder = await readHolder(path);
    if (holder === undefined) continue;
    if (attempt === attemptsMax || (await mayLive(holder))) return holder;
    const guard = `${path}.${holder.token}`;
    const other = await take(guard, draft);
    if (other !== undefined) return other;
    // From here only we may remove a lock with this token.
    if ((await readHolder(path))?.token === holder.token) await removeIfThere(path);
    await removeIfThere(guard);
  }
}

function busy(path: string, { task, pid, host }: Holder): ReleaseError {
  const found = `${task}, process ${pid} on ${host}; its lock is ${path}`;
  return new ReleaseError("repository-busy", "repository", found);
}

const unknown: Omit<Holder, "token"> = {
  ...{ task: "an unknown command", pid: 0, startedAt: "" },
  ...{ host: "an unknown machine", boot: "", pidNamespace: "" },
};

/** `undefined` where there is no lock. One that cannot be read is somebody else's. */
async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = text.length > lockCharactersMax ? undefined : JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const fields = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const textOf = (name: string): string => {
    const found = fields.find(([key]) => key === name)?.[1];
    return typeof found === "string" ? found.slice(0, 200) : "";
  };
  const pid = fields.find(([key]) => key === "pid")?.[1];
  const token = textOf("token");
  if (!/^[0-9a-f-]{36}$/.test(token) || typeof pid !== "number" || !Number.isSafeInteger(pid)) {
    return { ...unknown, token: "" };
  }
  return {
    ...{ token, pid, task: textOf("task"), startedAt: textOf("startedAt") },
    ...{ host: textOf("host"), boot: textOf("boot"), pidNamespace: textOf("pidNamespace") },
  };
}

/** False only where the holder is known to have ended. */
async function mayLive(holder: Holder): Promise<boolean> {
  const here = await describePlace();
  if (holder.token === "" || holder.boot === "") return true;
  // This machine, before it was started again.
  if (holder.boot !== here.boot) return holder.host !== here.host;
  if (holder.pidNamespace !== here.pidNamespace) return true;
  return (await startOf(holder.pid)) === holder.startedAt;
}

async function describeSelf(task: string): Promise<Holder> {
  const startedAt = (await startOf(process.pid)) ?? "";
  return {
    ...{ token: randomUUID(), task, pid: process.pid, startedAt },
    ...(await describePlace()),
  };
}

/** Without /proc nothing is known of a place, and no lock that was made there is ever stale. */
async function describePlace(): Promise<Pick<Holder, "host" | "boot" | "pidNamespace">> {
  const boot = (await readText("/proc/sys/kernel/random/boot_id"))?.trim() ?? "";
  const pidNamespace = boot === "" ? "" : await readlink("/proc/self/ns/pid");
  return { host: hostname(), boot, pidNamespace };
}

/** When a process began (field 22 of proc_pid_stat(5)); `undefined` where there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readText(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; the fields behind it begin with the third.
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[22 - 3];
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // A process that ends while its file is read gives ESRCH.
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return undefined;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!hasCode(error, "ENOENT")) throw error;
  });
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
