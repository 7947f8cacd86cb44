/**
 * Step 1: the process, the modules it has loaded, and the one that a hotpatch is for.
 *
 * Files are opened through /proc/PID/map_files, which names the very file that is mapped, also
 * when it was deleted or replaced or lies in another mount namespace.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { loadBias, type VirtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { type ElfFile, parseElf } from "../elf/file.ts";
import { buildId } from "../elf/note.ts";
import { parseMaps } from "../process/maps.ts";
import { type Refusal, refuse } from "../refusals.ts";
import { MODULE_FILE_SIZE_MAX } from "./limits.ts";
import type { LoadedModule, Mapping, ReadMemory } from "./loaded-module.ts";

const PAGE_SIZE = 4096;
const PT_LOAD = 1;
const ELFCLASS64 = 2;

export interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
  /** One letter of proc_pid_stat(5). */
  readonly state: string;
  readonly tracer: number;
  /** 0 none, 1 strict, 2 filter. */
  readonly seccomp: number;
  /** The processor keeps its return addresses a second time (arch/x86/shstk.rst). */
  readonly hasShadowStack: boolean;
  readonly executable: string;
}

export interface ProcessImage extends ProcessFacts {
  readonly mappings: readonly Mapping[];
  readonly modules: readonly LoadedModule[];
}

/** What /proc says of a process, or why it cannot be patched whatever the hotpatch is. */
export function readFacts(pid: number): ProcessFacts | Refusal {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    const facts = {
      pid,
      command: field("Name"),
      state: field("State").charAt(0),
      tracer: Number(field("TracerPid")),
      seccomp: Number(field("Seccomp")),
      hasShadowStack: field("x86_Thread_features").split(" ").includes("shstk"),
    };
    if (facts.state === "Z" || facts.state === "X") {
      return Number(field("Threads")) > 1 ? headless(pid, facts.command) : gone(pid);
    }
    return { ...facts, executable: readlinkSync(`/proc/${pid}/exe`) };
  } catch (error) {
    return refuseByErrno(pid, error);
  }
}

/** Refuses processes that no hotpatch can go into: stopped, traced, not 64-bit x86. */
export function checkPatchable(facts: ProcessFacts): Refusal | undefined {
  const name = describe(facts);
  if (facts.state === "T") {
    return refuse(
      "process-stopped",
      `${name} is stopped`,
      `continue it with: kill -CONT ${facts.pid}`,
    );
  }
  if (facts.tracer !== 0) {
    return refuse(
      "already-traced",
      `${name} is traced by process ${facts.tracer}`,
      `end or detach process ${facts.tracer} (a debugger or strace) and try again`,
    );
  }
  try {
    const header = readFileSync(`/proc/${facts.pid}/exe`).subarray(0, 5);
    if (header[4] !== ELFCLASS64) {
      return refuse(
        "unsupported-process",
        `${name} is a 32-bit program`,
        "update it the traditional way: install the fixed package and restart it",
      );
    }
  } catch (error) {
    return refuseByErrno(facts.pid, error);
  }
  return undefined;
}

/** Reads a process with all its modules. */
export function readProcessImage(pid: number, readMemory: ReadMemory): ProcessImage | Refusal {
  const facts = readFacts(pid);
  if ("refused" in facts) return facts;
  try {
    const mappings = parseMaps(readFileSync(`/proc/${pid}/maps`, "latin1"));
    const modules = groupByFile(mappings).flatMap((group) => {
      const module = loadModule(pid, group, readMemory);
      return module === undefined ? [] : [module];
    });
    return { ...facts, mappings, modules };
  } catch (error) {
    return refuseByErrno(pid, error);
  }
}

/** The module with the Build-ID, or a refusal that tells what is there instead. */
export function findModule(
  image: ProcessImage,
  target: { readonly buildId: string; readonly name: string },
): LoadedModule | Refusal {
  const found = image.modules.find((module) => module.buildId === target.buildId);
  if (found !== undefined) return found;
  const like = image.modules.find((module) => module.name.startsWith(target.name));
  return refuse(
    "wrong-build-id",
    like === undefined
      ? `${describe(image)} maps no file with Build-ID ${target.buildId} (${target.name})`
      : `${describe(image)} maps ${like.path} with Build-ID ${like.buildId ?? "none"}, the hotpatch is for ${target.buildId}`,
    "list what runs with: suture ps; build or fetch the hotpatch for that Build-ID",
  );
}

export const describe = (facts: { readonly pid: number; readonly command: string }): string =>
  `process ${facts.pid} (${facts.command})`;

/** All processes of this machine, in ascending order of their ids. */
export function listProcessIds(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

export const gone = (pid: number): Refusal =>
  refuse("process-gone", `process ${pid} does not exist`, "list what runs with: suture ps");

/** A first thread that ended before the others takes /proc/PID/maps, mem and exe with it. */
const headless = (pid: number, command: string): Refusal =>
  refuse(
    "unsupported-process",
    `${describe({ pid, command })} goes on without its first thread, which has ended`,
    "update it the traditional way: install the fixed package and restart it",
  );

/** Turns the errors that a vanished or foreign process gives into refusals; throws others. */
export function refuseByErrno(pid: number, error: unknown): Refusal {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ESRCH") return gone(pid);
  if (code === "EACCES" || code === "EPERM") {
    return refuse(
      "not-permitted",
      `process ${pid} belongs to another user or is protected`,
      "run the command as root (CAP_SYS_PTRACE and CAP_SYS_ADMIN)",
    );
  }
  throw error;
}

/** Mappings of one file that belong to one loading of it: a new one starts at file offset 0. */
function groupByFile(mappings: readonly Mapping[]): Mapping[][] {
  const groups: Mapping[][] = [];
  const open = new Map<string, Mapping[]>();
  for (const mapping of mappings) {
    const isVdso = mapping.path === "[vdso]";
    if (mapping.inode === 0 && !isVdso) continue;
    const key = `${mapping.device} ${mapping.inode}`;
    let group = open.get(key);
    if (group === undefined || mapping.offset === 0) {
      group = [];
      open.set(key, group);
      groups.push(group);
    }
    group.push(mapping);
  }
  return groups.filter((group) => group.some((mapping) => mapping.executable && !mapping.shared));
}

function loadModule(
  pid: number,
  group: readonly Mapping[],
  readMemory: ReadMemory,
): LoadedModule | undefined {
  const first = group[0] as Mapping; // groupByFile makes no empty group.
  const last = group[group.length - 1] as Mapping;
  if (first.path.startsWith("/memfd:suture:")) return undefined;
  const bytes =
    first.path === "[vdso]"
      ? readMemory(first.start, last.end - first.start)
      : readMappedFile(pid, first);
  if (bytes === undefined) return undefined;
  let elf: ElfFile;
  try {
    elf = parseElf(bytes);
  } catch (error) {
    // Files that are mapped executable and are no ELF of ours (Wine, old formats) are no modules.
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  const bias = findBias(elf, group);
  if (bias === undefined) return undefined;
  const id = buildId(elf);
  const path = first.path.replace(/ \(deleted\)$/, "");
  return {
    path,
    name: path.slice(path.lastIndexOf("/") + 1),
    elf,
    bias: loadBias(bias),
    ...(id === undefined ? {} : { buildId: id }),
    start: first.start,
    end: last.end,
    mappings: group,
  };
}

/** The bias that the first mapping shows: where a PT_LOAD segment stands, less its p_vaddr. */
function findBias(elf: ElfFile, group: readonly Mapping[]): number | undefined {
  for (const mapping of group) {
    for (const segment of elf.segments) {
      if (segment.p_type !== PT_LOAD) continue;
      const start = segment.p_offset - (segment.p_offset % PAGE_SIZE);
      if (mapping.offset !== start) continue;
      return mapping.start - (segment.p_vaddr - (segment.p_offset - start));
    }
  }
  return undefined;
}

/** The mapped file's bytes; undefined where it is larger than any program is. */
export function readMappedFile(
  pid: number,
  mapping: { readonly start: VirtualAddr; readonly end: VirtualAddr },
): Uint8Array | undefined {
  const range = `${mapping.start.toString(16)}-${mapping.end.toString(16)}`;
  const bytes = readFileSync(`/proc/${pid}/map_files/${range}`);
  return bytes.length > MODULE_FILE_SIZE_MAX ? undefined : bytes;
}
