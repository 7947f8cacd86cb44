/**
 * Keeping idle processors awake while threads are stopped and let go.
 *
 * A processor that has nothing to do sleeps, and takes time to wake up: some 15 microseconds for
 * each side in a virtual machine, and a stop needs both sides several times. A request for a latency
 * of 0 makes idle processors poll instead (Documentation/power/pm_qos_interface.rst). The kernel
 * drops the request when the file is closed, so also when this program dies.
 */
import { closeSync, openSync, writeSync } from "node:fs";

const REQUEST_FILE = "/dev/cpu_dma_latency";

export class AwakeProcessors {
  #file: number | undefined;

  /** Where there is no such file or no permission for it, stops are just longer. */
  hold(): void {
    if (this.#file !== undefined) return;
    try {
      this.#file = openSync(REQUEST_FILE, "w");
      writeSync(this.#file, new Uint8Array(4)); // The latency in microseconds, 32 bits.
    } catch {
      this.release();
    }
  }

  release(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
