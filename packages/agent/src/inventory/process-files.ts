/** What /proc tells of one process, parsed: proc_pid_stat(5), proc_pid_maps(5). */

/** A process is the same as long as these are: the kernel gives a pid again, and exec keeps it. */
export interface ProcessKey {
  readonly pid: number;
  /** When it began, in clock ticks since boot. */
  readonly started: number;
  /** Where its program and its first stack lie: exec changes them. */
  readonly image: string;
}

export interface ProcessStat extends ProcessKey {
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  /** User and system time, in clock ticks. */
  readonly processorTicks: number;
  readonly memoryBytes: number;
  readonly residentPages: number;
  readonly isKernelThread: boolean;
}

const PF_KTHREAD = 0x00200000;

/** The fields of /proc/PID/stat; undefined for a text that is none. The name may hold anything. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < open) return undefined;
  const fields = text
    .slice(close + 2)
    .trim()
    .split(" ");
  // Fields are counted from 1 in the manual; the state is the third.
  const number = (field: number): number => Number(fields[field - 3]);
  const stat = {
    pid: Number(text.slice(0, open)),
    started: number(22),
    image: [26, 27, 28].map((field) => fields[field - 3]).join("-"),
    command: text.slice(open + 1, close),
    state: fields[0] ?? "",
    parent: number(4),
    processorTicks: number(14) + number(15),
    memoryBytes: number(23),
    residentPages: number(24),
    isKernelThread: (number(9) & PF_KTHREAD) !== 0,
  };
  const numbers = [stat.pid, stat.started, stat.parent, stat.processorTicks, stat.residentPages];
  return numbers.every((value) => Number.isSafeInteger(value)) ? stat : undefined;
}

export interface FileMapping {
  /** `7f12-7f34`, as /proc/PID/map_files names it. */
  readonly range: string;
  readonly device: string;
  readonly inode: number;
  readonly path: string;
  readonly deleted: boolean;
}

const LINE = /^([0-9a-f]+-[0-9a-f]+) r-xp [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) ([0-9]+) +(\/.*)$/;
const DELETED = " (deleted)";

/** The files whose code a process maps, each once. Our own hotpatches are memory files, and none. */
export function parseCodeMappings(maps: string): FileMapping[] {
  const found = new Map<string, FileMapping>();
  for (const line of maps.split("\n")) {
    const [, range, device, inode, path] = LINE.exec(line) ?? [];
    if (range === undefined || device === undefined || path === undefined) continue;
    if (inode === "0" || path.startsWith("/memfd:") || path.startsWith("/SYSV")) continue;
    const key = `${device} ${inode}`;
    if (found.has(key)) continue;
    const deleted = path.endsWith(DELETED);
    found.set(key, {
      range,
      device,
      inode: Number(inode),
      path: deleted ? path.slice(0, -DELETED.length) : path,
      deleted,
    });
  }
  return [...found.values()];
}

/**
 * The systemd unit of /proc/PID/cgroup; undefined for what no service of the system runs. Services
 * that users run for themselves are theirs: nobody restarts them but they.
 */
export function parseUnit(cgroup: string): string | undefined {
  const path = /^0::(.*)$/m.exec(cgroup)?.[1] ?? /^\d+:name=systemd:(.*)$/m.exec(cgroup)?.[1];
  const [, below] = /^\/system\.slice\/(.*)$/.exec(path ?? "") ?? [];
  return /(?:^|\/)([A-Za-z0-9@:_.\\-]{1,200}\.service)(?:\/|$)/.exec(below ?? "")?.[1];
}
