/** What /proc says of a process, to hold what a test did against what was there before. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs";

export interface Snapshot {
  /** The lines of /proc/PID/maps. */
  readonly maps: readonly string[];
  /** SHA-256 of each executable mapping's bytes, by its line. */
  readonly code: Readonly<Record<string, string>>;
  /** What the open file descriptors are. */
  readonly files: readonly string[];
}

export function takeSnapshot(pid: number): Snapshot {
  const maps = readMaps(pid);
  const code: Record<string, string> = {};
  for (const line of maps) {
    const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) r-x/.exec(line) ?? [];
    if (start === "" || line.endsWith("[vsyscall]")) continue;
    const address = Number.parseInt(start, 16);
    const bytes = readProcess(pid, address, Number.parseInt(end, 16) - address);
    code[line] = createHash("sha256").update(bytes).digest("hex");
  }
  return { maps, code, files: readdirSync(`/proc/${pid}/fd`) };
}

export const readMaps = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/maps`, "latin1").trimEnd().split("\n");

/** Mappings that a hotpatch made. */
export const hotpatchMaps = (pid: number): string[] =>
  readMaps(pid).filter((line) => line.includes("suture:"));

/** Resident memory in KiB, counted exactly (VmRSS is kept in per-processor batches). */
export function residentKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return Number(/^Rss: +(\d+) kB$/m.exec(text)?.[1]);
}

export function readProcess(pid: number, address: number, size: number): Buffer {
  const file = openSync(`/proc/${pid}/mem`, "r");
  try {
    const bytes = Buffer.alloc(size);
    const count = readSync(file, bytes, 0, size, address);
    if (count !== size) throw new Error(`read ${count} of ${size} bytes at ${address}`);
    return bytes;
  } finally {
    closeSync(file);
  }
}

export function writeProcess(pid: number, address: number, bytes: Uint8Array): void {
  const file = openSync(`/proc/${pid}/mem`, "r+");
  try {
    const count = writeSync(file, bytes, 0, bytes.length, address);
    if (count !== bytes.length) throw new Error(`wrote ${count} bytes at ${address}`);
  } finally {
    closeSync(file);
  }
}

/** Where the first mapping of a file starts in the process: what its addresses are relative to. */
export function mappedAt(pid: number, path: string): number {
  const line = readMaps(pid).find((candidate) => candidate.includes(` ${path}`));
  if (line === undefined) throw new Error(`${path} is not mapped by process ${pid}`);
  return Number.parseInt(line, 16);
}

/** The end of each executable mapping, and how many zero bytes stand there. */
export function endOfCode(pid: number): { readonly address: number; readonly size: number }[] {
  return readMaps(pid).flatMap((line) => {
    const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) r-x/.exec(line) ?? [];
    if (start === "" || line.endsWith("[vsyscall]")) return [];
    const last = Number.parseInt(end, 16);
    const bytes = readProcess(pid, last - 4096, 4096);
    let size = 0;
    while (size < bytes.length && bytes[bytes.length - 1 - size] === 0) size++;
    return [{ address: last - size, size }];
  });
}

/**
 * Writes the C library's rt_sigreturn in other instructions with the same effect, so that nobody
 * who looks for the usual ones finds it.
 */
export function disguiseSigreturn(pid: number): void {
  const usual = Buffer.from([0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05]); // mov $15, %rax; syscall
  const other = Uint8Array.of(0x6a, 15, 0x58, 0x90, 0x90, 0x90, 0x90, 0x0f, 0x05); // push, pop
  let count = 0;
  for (const line of readMaps(pid)) {
    const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) r-x/.exec(line) ?? [];
    if (start === "" || line.endsWith("[vsyscall]")) continue;
    const first = Number.parseInt(start, 16);
    const code = Buffer.from(readProcess(pid, first, Number.parseInt(end, 16) - first));
    for (let at = code.indexOf(usual); at >= 0; at = code.indexOf(usual, at + 1), count++) {
      writeProcess(pid, first + at, other);
    }
  }
  assert(count > 0, "no rt_sigreturn was found");
}
