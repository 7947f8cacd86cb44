import {
  type FileAddr,
  fileAddr,
  type LoadBias,
  toFileAddr,
  type VirtualAddr,
} from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import {
  type CallFrames,
  createCallFrames,
  type Fde,
  fdeEnd,
  type LoadedBytes,
} from "../dwarf/cfi.ts";
import { type FdeTable, parseEhFrameHdr } from "../dwarf/eh-frame-hdr.ts";
import { buildRow } from "../dwarf/frame-row.ts";
import { ROWS_KEPT } from "./limits.ts";
import { compileRule, type StepRule } from "./rule.ts";

/** A range of executable memory and the unwind information of the file mapped there. */
export interface UnwindModule {
  readonly name: string;
  readonly start: VirtualAddr;
  readonly end: VirtualAddr;
  readonly bias: LoadBias;
  readonly ehFrame: LoadedBytes;
  readonly ehFrameHdr?: LoadedBytes;
}

/** Why an address has no step: it is not listed, or its rules cannot be followed. */
export type NoStep = "no-unwind-information" | "unsupported-rule";

/** Finds steps for addresses of one module. Nothing is parsed before the first is asked for. */
export interface ModuleTables {
  readonly module: UnwindModule;
  /** The step out of the code at `address`, the FDE of which also covers `address`. */
  step(address: VirtualAddr): StepRule | NoStep;
  /** The step at `address` if a signal trampoline begins exactly there. */
  trampolineStep(address: VirtualAddr): StepRule | undefined;
}

/** The steps of a module. Damaged tables are no unwind information, never an exception. */
export const createModuleTables = (module: UnwindModule): ModuleTables => new Tables(module);

class Tables implements ModuleTables {
  readonly module: UnwindModule;
  readonly #frames: CallFrames;
  readonly #rows = new RowCache();
  #index: ((address: FileAddr) => Fde | undefined) | undefined;

  constructor(module: UnwindModule) {
    this.module = module;
    this.#frames = createCallFrames(module.ehFrame);
  }

  step(address: VirtualAddr): StepRule | NoStep {
    const at = toFileAddr(address, this.module.bias);
    const known = this.#rows.find(at);
    if (known !== undefined) return known;
    const fde = unlessDamaged(() => this.#find(at));
    if (fde === undefined) return "no-unwind-information";
    return unlessDamaged(() => this.#stepAt(fde, at)) ?? "unsupported-rule";
  }

  trampolineStep(address: VirtualAddr): StepRule | undefined {
    const at = toFileAddr(address, this.module.bias);
    const fde = unlessDamaged(() => this.#find(at));
    if (fde?.start !== at || !fde.cie.signal) return undefined;
    const step = unlessDamaged(() => this.#stepAt(fde, at));
    return typeof step === "object" ? step : undefined;
  }

  #find(address: FileAddr): Fde | undefined {
    this.#index ??= createFdeIndex(this.module);
    const fde = this.#index(address);
    return fde !== undefined && address >= fde.start && address < fdeEnd(fde) ? fde : undefined;
  }

  #stepAt(fde: Fde, address: FileAddr): StepRule | NoStep {
    const row = buildRow(this.#frames, fde, address);
    const step = compileRule(row, fde.cie.signal) ?? "unsupported-rule";
    this.#rows.add(row.start, row.end, step);
    return step;
  }
}

/**
 * Steps by the range of addresses for which their row holds.
 *
 * A thread that runs is met at another instruction each time, but in few rows: a function has
 * about five. So the last rows that were built are searched first.
 */
class RowCache {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #steps: (StepRule | NoStep)[] = [];
  #next = 0;

  add(start: FileAddr, end: FileAddr, step: StepRule | NoStep): void {
    this.#starts[this.#next] = start;
    this.#ends[this.#next] = end;
    this.#steps[this.#next] = step;
    this.#next = (this.#next + 1) % ROWS_KEPT;
  }

  find(address: FileAddr): StepRule | NoStep | undefined {
    for (let index = 0; index < this.#starts.length; index++) {
      const start = this.#starts[index] ?? 0;
      if (address >= start && address < (this.#ends[index] ?? 0)) return this.#steps[index];
    }
    return undefined;
  }
}

function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** The FDE that begins last at or before an address: through the linker's table, or by a scan. */
function createFdeIndex(module: UnwindModule): (address: FileAddr) => Fde | undefined {
  const table = unlessDamaged(() => linkerTable(module));
  if (table === undefined) return scanFdes(module.ehFrame);
  const frames = createCallFrames(module.ehFrame);
  return (address) => {
    const found = table.find(address);
    return found === undefined ? undefined : frames.fdeAt(found - module.ehFrame.address);
  };
}

/** The table of .eh_frame_hdr, if there is one and it is that of this .eh_frame. */
function linkerTable({ ehFrame, ehFrameHdr }: UnwindModule): FdeTable | undefined {
  if (ehFrameHdr === undefined) return undefined;
  const hdr = parseEhFrameHdr(ehFrameHdr);
  return hdr.ehFrame === ehFrame.address ? hdr.table : undefined;
}

function scanFdes(section: LoadedBytes): (address: FileAddr) => Fde | undefined {
  const fdes: Fde[] = [];
  // What stands before damaged bytes is as good as ever.
  unlessDamaged(() => createCallFrames(section).forEachFde((fde) => fdes.push(fde)));
  fdes.sort((a, b) => a.start - b.start);
  return (address) => {
    let low = 0;
    let high = fdes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((fdes[middle]?.start ?? fileAddr(0)) <= address) low = middle + 1;
      else high = middle;
    }
    return fdes[low - 1];
  };
}
