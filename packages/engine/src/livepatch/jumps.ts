/** Steps 3 and 8: what stands at each entry now, what shall stand there, and writing it. */
import { createHash } from "node:crypto";
import { formatAddress, toVirtualAddr, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { type Area, createArea } from "../process/libc.ts";
import type { ProcessMemory } from "../process/memory.ts";
import { type Refusal, refuse } from "../refusals.ts";
import { planEntryJump } from "./entry-jump.ts";
import { type LedgerEntry, toHex } from "./ledger.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";
import type { FunctionPart, ReplacedFunction } from "./patch-description.ts";

/** Enough for endbr64, the jump and the longest padding instruction behind a short function. */
const ENTRY_SIZE = 32;

/** Puts back what a hotpatch that is in the process now changed at the entries. */
export function withOriginals(read: ReadMemory, entries: readonly LedgerEntry[]): ReadMemory {
  return (address, size) => {
    const bytes = read(address, size);
    if (bytes === undefined) return undefined;
    for (const entry of entries) {
      for (let index = 0; index < entry.original.length; index++) {
        const at = entry.address + index - address;
        if (at >= 0 && at < size) bytes[at] = entry.original[index] as number;
      }
    }
    return bytes;
  };
}

/** Refuses when the code to be replaced is not byte for byte what the hotpatch was built from. */
export function checkOriginalCode(
  module: LoadedModule,
  functions: readonly ReplacedFunction[],
  read: ReadMemory,
): Refusal | undefined {
  for (const replaced of functions) {
    for (const part of [replaced as FunctionPart, ...replaced.parts]) {
      const address = toVirtualAddr(part.address, module.bias);
      const inside = module.start <= address && address + part.size <= module.end;
      const code = inside ? read(address, part.size) : undefined;
      const sha256 = code && createHash("sha256").update(code).digest("hex");
      if (sha256 === part.sha256) continue;
      return refuse(
        "changed-code",
        `function ${replaced.name} of ${module.path} at ${formatAddress(address)} has other code than the hotpatch was built from`,
        "another tool (a debugger, another live patch) changed it; end that and try again, or restart the service with the fixed package",
      );
    }
  }
  return undefined;
}

/** The jump for each replaced function, from its entry to its new code. */
export function planJumps(request: {
  readonly module: LoadedModule;
  readonly functions: readonly ReplacedFunction[];
  readonly symbols: ReadonlyMap<string, VirtualAddr>;
  readonly read: ReadMemory;
}): Omit<LedgerEntry, "before">[] | Refusal {
  const jumps: Omit<LedgerEntry, "before">[] = [];
  for (const replaced of request.functions) {
    const entry = toVirtualAddr(replaced.address, request.module.bias);
    const to = request.symbols.get(replaced.replacement);
    if (to === undefined) {
      return refuse(
        "missing-symbol",
        `the hotpatch defines no function ${replaced.replacement} for ${replaced.name}`,
        "build the hotpatch again",
      );
    }
    const code = request.read(entry, ENTRY_SIZE);
    const jump = code && planEntryJump({ entry, size: replaced.size, code, to });
    if (jump === undefined) {
      return refuse(
        "function-too-short",
        `function ${replaced.name} has ${replaced.size} bytes and no padding behind it`,
        "a restart with the fixed package is needed for this fix",
      );
    }
    jumps.push({ name: replaced.name, ...jump });
  }
  return jumps;
}

/**
 * The bytes of all entries in one buffer outside the JavaScript heap, so that nothing is
 * allocated or converted while the process is stopped.
 */
export class EntryWriter {
  readonly #memory: ProcessMemory;
  readonly #area: Area;
  readonly #addresses: Float64Array;
  readonly #offsets: Int32Array;
  readonly #sources: readonly bigint[];

  constructor(
    memory: ProcessMemory,
    entries: readonly { readonly address: VirtualAddr; readonly bytes: Uint8Array }[],
  ) {
    this.#memory = memory;
    this.#addresses = Float64Array.from(entries, (entry) => entry.address);
    this.#offsets = new Int32Array(entries.length + 1);
    let size = 0;
    for (const [index, entry] of entries.entries()) {
      size += entry.bytes.length;
      this.#offsets[index + 1] = size;
    }
    this.#area = createArea(size);
    for (const [index, entry] of entries.entries()) {
      this.#area.bytes.set(entry.bytes, this.#offsets[index]);
    }
    this.#sources = entries.map(
      (_, index) => this.#area.address + BigInt(this.#offsets[index] ?? 0),
    );
  }

  get count(): number {
    return this.#addresses.length;
  }

  /** Writes one entry; false where the kernel refuses. */
  write(index: number): boolean {
    return this.#memory.writeArea(
      virtualAddr(this.#addresses[index] as number),
      this.#sources[index] as bigint,
      (this.#offsets[index + 1] as number) - (this.#offsets[index] as number),
    );
  }

  /** True when the memory holds the bytes. */
  isWritten(): boolean {
    for (let index = 0; index < this.count; index++) {
      const start = this.#offsets[index] as number;
      const wanted = this.#area.bytes.subarray(start, this.#offsets[index + 1]);
      const found = this.#memory.read(virtualAddr(this.#addresses[index] as number), wanted.length);
      if (found === undefined || toHex(found) !== toHex(wanted)) return false;
    }
    return true;
  }
}
