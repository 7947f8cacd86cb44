/** Which processes the kernel says a fatal fault of theirs has ended: /dev/kmsg. */
import { closeSync, constants, openSync, readSync } from "node:fs";

export interface KernelLog {
  /** What the kernel wrote of the process, since this was opened. */
  readonly faultOf: (pid: number) => string | undefined;
  readonly close: () => void;
}

const FAULTS_MAX = 1000;
const RECORD_BYTES = 8192;

/** `name[123]: segfault at 0 ip ...`, `traps: name[123] general protection fault ...`. */
const FAULT = /^(?:traps: )?([^\n]{1,32}?)\[(\d+)\]:? (segfault|general protection|trap )[^\n]*/;

/** Begins at the end. A machine that shows nobody its kernel's log has no faults to tell. */
export function openKernelLog(path = "/dev/kmsg"): KernelLog {
  const faults = new Map<number, string>();
  const file = openQuietly(path);
  const buffer = Buffer.alloc(RECORD_BYTES);
  const readAll = (): void => {
    for (;;) {
      const size = readRecord(file, buffer);
      if (size <= 0) return;
      const fault = parseFault(buffer.toString("utf8", 0, size));
      if (fault === undefined) continue;
      faults.set(fault.pid, fault.text);
      if (faults.size > FAULTS_MAX) faults.delete(faults.keys().next().value ?? 0);
    }
  };
  readAll();
  faults.clear();
  return {
    faultOf: (pid) => {
      readAll();
      return faults.get(pid);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
    },
  };
}

/** Of a record of /dev/kmsg: `6,339,5140900,-;text`. */
export function parseFault(record: string): { pid: number; text: string } | undefined {
  const text = record.slice(record.indexOf(";") + 1);
  const match = FAULT.exec(text);
  return match === null ? undefined : { pid: Number(match[2]), text: match[0].slice(0, 200) };
}

function openQuietly(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** One record a read; 0 when there is none. Records that were overwritten (EPIPE) are skipped. */
function readRecord(file: number | undefined, buffer: Buffer): number {
  if (file === undefined) return 0;
  for (let tries = 0; tries < 100; tries++) {
    try {
      return readSync(file, buffer, 0, buffer.length, null);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EPIPE") continue;
      if (code === "EAGAIN" || code === "EINVAL" || code === "EIO") return 0;
      throw error;
    }
  }
  return 0;
}
