/** What the kernel knows of a stopped thread besides its registers: signals and rseq. */
import { createArea, type Libc, PTRACE, PTRACE_PEEKSIGINFO_SHARED } from "./libc.ts";
import { readSignalMasks } from "./thread-files.ts";

/** rseq_cs in struct rseq: the address of the running sequence's description. */
const RSEQ_CS_OFFSET = 8;

export class SignalState {
  readonly #libc: Libc;
  readonly #pid: number;
  readonly #signalInfo = createArea(256);
  readonly #signalQuery = createArea(64);

  constructor(libc: Libc, pid: number) {
    this.#libc = libc;
    this.#pid = pid;
  }

  /** True when a signal waits for the stopped thread, blocked or not. */
  hasPendingSignal(tid: number): boolean {
    return (
      this.#queuedSignals(tid, 0) !== 0 || this.#queuedSignals(tid, PTRACE_PEEKSIGINFO_SHARED) !== 0
    );
  }

  /** True when a signal waits that the thread does not block. */
  hasDeliverableSignal(tid: number): boolean {
    if (!this.hasPendingSignal(tid)) return false;
    const masks = readSignalMasks(this.#pid, tid);
    return masks === undefined || (masks.pending & ~masks.blocked) !== 0n;
  }

  /**
   * True when the stopped thread is inside a restartable sequence (rseq(2)): moved away, it would
   * go on without the protection that the sequence relies on.
   */
  isInRestartableSequence(tid: number): boolean {
    // struct ptrace_rseq_configuration: rseq_abi_pointer, size, signature, flags, pad.
    const info = this.#signalInfo;
    const size = this.#libc.ptrace(PTRACE.PTRACE_GET_RSEQ_CONFIGURATION, tid, 24, info.address);
    if (size < 0) return false; // Kernels before 5.13 do not tell; there glibc uses none.
    const area = (info.words[1] as number) * 2 ** 32 + (info.words[0] as number);
    if (area === 0) return false;
    const sequence = this.#libc.readProcess(this.#pid, area + RSEQ_CS_OFFSET, this.#signalQuery, 8);
    const { words } = this.#signalQuery;
    return sequence !== 8 || words[0] !== 0 || words[1] !== 0;
  }

  /**
   * True when a signal that the process catches is what interrupted the system call: `signal`,
   * with which the thread stopped (0: none), or one that waits for it.
   */
  interruptedByCaught(tid: number, signal: number): boolean {
    if (signal === 0 && !this.hasPendingSignal(tid)) return false;
    const masks = readSignalMasks(this.#pid, tid);
    if (masks === undefined) return true;
    const own = signal === 0 ? 0n : 1n << BigInt(signal - 1);
    const deliverable = (masks.pending & ~masks.blocked) | own;
    return (deliverable & masks.caught) !== 0n;
  }

  /** How many signals are queued; an error counts as one, so that the careful way is taken. */
  #queuedSignals(tid: number, flags: number): number {
    const query = this.#signalQuery.words; // struct ptrace_peeksiginfo_args: off, flags, nr
    query[0] = 0;
    query[1] = 0;
    query[2] = flags;
    query[3] = 1;
    return this.#libc.ptrace(
      PTRACE.PTRACE_PEEKSIGINFO,
      tid,
      Number(this.#signalQuery.address),
      this.#signalInfo.address,
    );
  }
}
