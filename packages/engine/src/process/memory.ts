/**
 * The memory of one process: read by process_vm_readv, written through /proc/PID/mem, which
 * also reaches pages that the process itself may not write (they get a private copy).
 */
import { closeSync, openSync } from "node:fs";
import type { VirtualAddr } from "../bytes/address.ts";
import { type Area, createArea, type Libc } from "./libc.ts";

const CHUNK_SIZE = 1 << 20;

export class ProcessMemory {
  readonly pid: number;
  readonly #libc: Libc;
  readonly #file: number;
  readonly #chunk: Area;

  /** Opens the memory for reading and writing. Throws EACCES or EPERM where that is denied. */
  constructor(libc: Libc, pid: number) {
    this.#libc = libc;
    this.pid = pid;
    this.#file = openSync(`/proc/${pid}/mem`, "r+");
    this.#chunk = createArea(CHUNK_SIZE);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** A copy of `size` bytes, or undefined where not all of them can be read. */
  read(address: VirtualAddr, size: number): Uint8Array | undefined {
    const result = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const step = Math.min(size - at, CHUNK_SIZE);
      const count = this.#libc.pread(this.#file, this.#chunk.address, step, address + at);
      if (count <= 0) return undefined;
      result.set(this.#chunk.bytes.subarray(0, count), at);
      at += count;
    }
    return result;
  }

  /** Writes all of `bytes`; false where that is not possible (then some may be written). */
  write(address: VirtualAddr, bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + CHUNK_SIZE);
      this.#chunk.bytes.set(part);
      const count = this.#libc.pwrite(this.#file, this.#chunk.address, part.length, address + at);
      if (count <= 0) return false;
      at += count;
    }
    return true;
  }

  /** Writes from an area without copying: for the stop. */
  writeArea(address: VirtualAddr, from: bigint, size: number): boolean {
    return this.#libc.pwrite(this.#file, from, size, address) === size;
  }
}
