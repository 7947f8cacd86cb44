/**
 * What runs on this machine, again and again, at little cost.
 *
 * A look at every process every few seconds must not cost what the first one does. So a process is
 * known by its start and its image (process-files.ts): as long as both stay, only its `stat` is
 * read, and its mappings anew after a while, sooner when its address space has grown or shrunk
 * (dlopen). Build-IDs are kept by device, inode, size and time of change. Files are opened through
 * /proc/PID/map_files, which names what is really mapped: deleted, replaced, or in a container.
 */
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { mappedFilesMax, mapsBytesMax, processesMax } from "../limits.ts";
import { readBuildId } from "./build-id.ts";
import {
  type FileMapping,
  type ProcessStat,
  parseCodeMappings,
  parseStat,
  parseUnit,
} from "./process-files.ts";

export interface MappedFile {
  readonly path: string;
  readonly buildId: string;
  /** The path names another file now, or none: the process runs what is no longer installed. */
  readonly outdated: boolean;
}

export interface RunningProcess extends ProcessStat {
  readonly executable: string;
  readonly uid: number;
  /** The systemd service that it belongs to. */
  readonly unit?: string;
  readonly files: readonly MappedFile[];
}

export interface ScanOptions {
  /** Milliseconds that only go forward. */
  readonly now: () => number;
  /** Only processes whose program lies in this folder: for several agents on one machine. */
  readonly processFolder?: string;
  readonly proc?: string;
}

export interface Scanner {
  /**
   * The processes now, in ascending order of their ids. Those that are not of interest, and have
   * run for a while, may be told as they were half a minute ago.
   */
  readonly scan: (isOfInterest?: (process: RunningProcess) => boolean) => readonly RunningProcess[];
  /** The next scan reads all mappings anew: files on the disk were replaced. */
  readonly renew: () => void;
}

interface Known {
  readonly process: RunningProcess;
  readonly mappings: readonly FileMapping[];
  readonly readAt: number;
  /** When it was seen first, and when its `stat` was read last. */
  readonly seenAt: number;
  readonly checkedAt: number;
}

/** After so long a process has done its exec, if it does one; until then it is looked at always. */
const SETTLED_MS = 15_000;
const CHECK_MS = 30_000;

/** Nothing is read before the first scan. Processes of other users need root. */
export function createScanner(options: ScanOptions): Scanner {
  const proc = options.proc ?? "/proc";
  let known = new Map<number, Known>();
  let buildIds = new Map<string, string | undefined>();
  return {
    renew: () => {
      known = new Map();
    },
    scan: (isOfInterest = () => true) => {
      const now = options.now();
      const next = new Map<number, Known>();
      const used = new Map<string, string | undefined>();
      for (const pid of processIds(proc)) {
        const early = known.get(pid);
        if (early !== undefined && isQuiet(early, now) && !isOfInterest(early.process)) {
          next.set(pid, early);
          keepBuildIds(early.mappings, buildIds, used);
          continue;
        }
        const stat = readStat(proc, pid);
        if (stat === undefined || stat.isKernelThread || stat.state === "Z") continue;
        const before = known.get(pid);
        const isSame = before !== undefined && isSameProcess(before.process, stat);
        const isFresh = isSame && now - before.readAt < ageMaxMs(before, stat);
        const mappings = isFresh ? before.mappings : readMappings(proc, pid);
        if (mappings === undefined) continue;
        const readAt = isFresh ? before.readAt : now;
        const facts = isSame ? before.process : readIdentity(proc, pid);
        if (facts === undefined || !isInFolder(facts.executable, options.processFolder)) continue;
        const { executable, uid, unit } = facts;
        const files = filesOf({ proc, pid, known: buildIds, used }, mappings);
        // The size of the last reading stays, so that a change is seen when its time comes.
        const memoryBytes = isFresh ? before.process.memoryBytes : stat.memoryBytes;
        const process = { ...stat, memoryBytes, executable, uid, ...(unit && { unit }), files };
        const seenAt = isSame ? before.seenAt : now;
        next.set(pid, { process, mappings, readAt, seenAt, checkedAt: now });
      }
      known = next;
      buildIds = used;
      return [...next.values()].map(({ process }) => process);
    },
  };
}

const isQuiet = ({ seenAt, checkedAt }: Known, now: number): boolean =>
  now - seenAt >= SETTLED_MS && now - checkedAt < CHECK_MS;

function keepBuildIds(
  mappings: readonly FileMapping[],
  known: ReadonlyMap<string, string | undefined>,
  used: Map<string, string | undefined>,
): void {
  for (const { device, inode } of mappings) {
    const key = `${device} ${inode}`;
    if (known.has(key)) used.set(key, known.get(key));
  }
}

/** How old the mappings may be: of a process that maps more or less than before, and of others. */
const ageMaxMs = ({ process }: Known, { memoryBytes }: ProcessStat): number =>
  process.memoryBytes === memoryBytes ? 600_000 : 30_000;

export const isSameProcess = (
  a: Pick<ProcessStat, "pid" | "started" | "image">,
  b: Pick<ProcessStat, "pid" | "started" | "image">,
): boolean => a.pid === b.pid && a.started === b.started && a.image === b.image;

const isInFolder = (executable: string, folder: string | undefined): boolean =>
  folder === undefined || executable.startsWith(folder.endsWith("/") ? folder : `${folder}/`);

const processIds = (proc: string): number[] =>
  readdirSync(proc)
    .filter((name) => /^[0-9]+$/.test(name))
    .slice(0, processesMax)
    .map(Number)
    .sort((a, b) => a - b);

/** What a process that has just ended, or is somebody else's, does not tell: undefined. */
function ifThere<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") {
      return undefined;
    }
    throw error;
  }
}

/** What /proc says of the process now; undefined once it is gone. */
export function readStat(proc: string, pid: number): ProcessStat | undefined {
  const text = ifThere(() => readFileSync(`${proc}/${pid}/stat`, "utf8"));
  return text === undefined ? undefined : parseStat(text);
}

function readMappings(proc: string, pid: number): FileMapping[] | undefined {
  const text = ifThere(() => readFileSync(`${proc}/${pid}/maps`, "utf8"));
  if (text === undefined || text.length > mapsBytesMax) return undefined;
  return parseCodeMappings(text).slice(0, mappedFilesMax);
}

function readIdentity(
  proc: string,
  pid: number,
): Pick<RunningProcess, "executable" | "uid" | "unit"> | undefined {
  return ifThere(() => {
    const executable = readlinkSync(`${proc}/${pid}/exe`).replace(/ \(deleted\)$/, "");
    const { uid } = statSync(`${proc}/${pid}`);
    const unit = parseUnit(readFileSync(`${proc}/${pid}/cgroup`, "utf8"));
    return { executable, uid, ...(unit !== undefined && { unit }) };
  });
}

interface Reading {
  readonly proc: string;
  readonly pid: number;
  readonly known: ReadonlyMap<string, string | undefined>;
  readonly used: Map<string, string | undefined>;
}

function filesOf(reading: Reading, mappings: readonly FileMapping[]): MappedFile[] {
  return mappings.flatMap((mapping) => {
    const key = `${mapping.device} ${mapping.inode}`;
    const { used, known } = reading;
    let buildId = used.has(key) ? used.get(key) : known.get(key);
    if (!used.has(key) && !known.has(key)) buildId = buildIdOf(reading, mapping);
    used.set(key, buildId);
    if (buildId === undefined) return [];
    return [{ path: mapping.path, buildId, outdated: mapping.deleted }];
  });
}

function buildIdOf({ proc, pid }: Reading, { range }: FileMapping): string | undefined {
  return ifThere(() => {
    const file = openSync(`${proc}/${pid}/map_files/${range}`, "r");
    try {
      if (!fstatSync(file).isFile()) return undefined;
      return readBuildId((offset, size) => {
        const bytes = new Uint8Array(size);
        return bytes.subarray(0, readSync(file, bytes, 0, size, offset));
      });
    } finally {
      closeSync(file);
    }
  });
}
