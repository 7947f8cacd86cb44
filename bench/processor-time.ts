/** What a process has used of processors. */
import { readFileSync } from "node:fs";

/** The kernel's unit for it on every Linux that we run on (proc(5), /proc/PID/stat). */
const TICKS_A_SECOND = 100;

/** Of all of its threads, user and system, in seconds. */
export function processorSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}
