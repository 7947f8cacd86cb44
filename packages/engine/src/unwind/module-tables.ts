import {
  type FileAddr,
  fileAddr,
  type LoadBias,
  toFileAddr,
  type VirtualAddr,
} from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { createCallFrames, type Fde, fdeEnd, type LoadedBytes } from "../dwarf/cfi.ts";
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
export function createModuleTables(module: UnwindModule): ModuleTables {
  const frames = createCallFrames(module.ehFrame);
  let index: ((address: FileAddr) => Fde | undefined) | undefined;
  const find = (address: FileAddr): Fde | undefined => {
    index ??= createFdeIndex(module);
    const fde = index(address);
    return fde !== undefined && address >= fde.start && address < fdeEnd(fde) ? fde : undefined;
  };
  const rows = createRowCache();
  const stepAt = (fde: Fde, address: FileAddr): StepRule | NoStep => {
    const row = buildRow(frames, fde, address);
    const step = compileRule(row, fde.cie.signal) ?? "unsupported-rule";
    rows.add(row.start, row.end, step);
    return step;
  };

  return {
    module,
    step: (address) => {
      const at = toFileAddr(address, module.bias);
      const known = rows.find(at);
      if (known !== undefined) return known;
      const fde = unlessDamaged(() => find(at));
      if (fde === undefined) return "no-unwind-information";
      return unlessDamaged(() => stepAt(fde, at)) ?? "unsupported-rule";
    },
    trampolineStep: (address) => {
      const at = toFileAddr(address, module.bias);
      const fde = unlessDamaged(() => find(at));
      if (fde?.start !== at || !fde.cie.signal) return undefined;
      const step = unlessDamaged(() => stepAt(fde, at));
      return typeof step === "object" ? step : undefined;
    },
  };
}

/** Steps by the range of addresses for which their row holds. */
interface RowCache {
  add(start: FileAddr, end: FileAddr, step: StepRule | NoStep): void;
  find(address: FileAddr): StepRule | NoStep | undefined;
}

/**
 * A thread that runs is met at another instruction each time, but in few rows: a function has
 * about five. So the last rows that were built are searched first.
 */
function createRowCache(): RowCache {
  const starts: number[] = [];
  const ends: number[] = [];
  const steps: (StepRule | NoStep)[] = [];
  let next = 0;
  return {
    add(start, end, step) {
      starts[next] = start;
      ends[next] = end;
      steps[next] = step;
      next = (next + 1) % ROWS_KEPT;
    },
    find(address) {
      for (let index = 0; index < starts.length; index++) {
        if (address >= (starts[index] ?? 0) && address < (ends[index] ?? 0)) return steps[index];
      }
      return undefined;
    },
  };
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
