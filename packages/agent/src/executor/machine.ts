/** What this machine is: its clocks, system, processor and disk. */
import { readFileSync, statfsSync } from "node:fs";
import { arch, hostname, platform, release } from "node:os";

export interface Machine {
  /** Seconds since it started, suspended time included (proc_uptime(5)). */
  readonly uptimeSeconds: () => number;
  /** Another with each start. */
  readonly bootId: string;
  readonly hostname: () => string;
  /** `Debian GNU/Linux 12 (bookworm)` */
  readonly system: string;
  readonly kernel: string;
  readonly processor: string;
  readonly platform: string;
  /** Bytes that root may still write where the path lies. */
  readonly freeBytes: (path: string) => number;
  /** 3: nobody may trace, not even root (Documentation/admin-guide/LSM/Yama.rst). */
  readonly ptraceScope: () => number;
}

/** Clock ticks a second, as /proc counts processor time: 100 on every x86-64 Linux. */
export const TICKS_PER_SECOND = 100;
export const PAGE_BYTES = 4096;

export function readMachine(): Machine {
  const osRelease = textOf("/etc/os-release");
  const name = /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1];
  return {
    uptimeSeconds: () => Number(textOf("/proc/uptime").split(" ")[0]),
    bootId: textOf("/proc/sys/kernel/random/boot_id").trim(),
    hostname,
    system: name ?? platform(),
    kernel: release(),
    processor: arch(),
    platform: platform(),
    freeBytes: (path) => {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    ptraceScope: () => Number(textOf("/proc/sys/kernel/yama/ptrace_scope") || 0),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
