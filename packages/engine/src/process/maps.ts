import { type FileOffset, fileOffset, type VirtualAddr, virtualAddr } from "../bytes/address.ts";

/** One line of /proc/PID/maps (proc_pid_maps(5)). */
export interface Mapping {
  readonly start: VirtualAddr;
  readonly end: VirtualAddr;
  readonly offset: FileOffset;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly shared: boolean;
  readonly device: string;
  readonly inode: number;
  /** The path as the kernel prints it, `[heap]` and the like, or empty. */
  readonly path: string;
}

const LINE =
  /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([sp]) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/;

/**
 * The mappings of /proc/PID/maps, in ascending order.
 *
 * The vsyscall page lies outside of user space and is left out. Lines that do not have the
 * documented form are left out too: the kernel writes none.
 */
export function parseMaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  for (const line of text.split("\n")) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, start, end, r, w, x, s, offset, device, inode, path] = match as unknown as string[];
    const first = Number.parseInt(start as string, 16);
    const last = Number.parseInt(end as string, 16);
    if (!Number.isSafeInteger(last)) continue;
    mappings.push({
      start: virtualAddr(first),
      end: virtualAddr(last),
      offset: fileOffset(Number.parseInt(offset as string, 16)),
      readable: r === "r",
      writable: w === "w",
      executable: x === "x",
      shared: s === "s",
      device: device as string,
      inode: Number(inode),
      path: path as string,
    });
  }
  return mappings;
}
