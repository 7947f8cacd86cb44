/**
 * A thread's floating-point and vector state, as XSAVE stores it and PTRACE_GETREGSET gives it
 * (NT_X86_XSTATE; Intel SDM, volume 1, 13.4).
 */

/** More than any processor's state takes today. */
export const STATE_SIZE_MAX = 3 * 4096;

/** Unused by FXSAVE: the register set has XCR0 here, a signal frame its struct _fpx_sw_bytes. */
export const SW_BYTES = 464;
const XSTATE_BV = 512;
const XSTATE_HEADER_END = 576;
/** AMX tile data: the one state that a thread has to ask for first. Its place is the last. */
const XTILEDATA = 1 << 18;
export const XTILEDATA_OFFSET = 2816;

export interface StateFeatures {
  /** The lower half of XCR0, without tile data. */
  readonly low: number;
  readonly high: number;
  /** The kernel knows tile data, so the stored state may be longer than what is in use. */
  readonly hasTiles: boolean;
}

/** What the state of `size` bytes at `at` consists of; undefined for no known form, or tiles in use. */
export function stateFeatures(view: DataView, at: number, size: number): StateFeatures | undefined {
  if (size < XSTATE_HEADER_END || size > STATE_SIZE_MAX) return undefined;
  if ((view.getUint32(at + XSTATE_BV, true) & XTILEDATA) !== 0) return undefined;
  const features = view.getUint32(at + SW_BYTES, true);
  return {
    low: (features & ~XTILEDATA) >>> 0,
    high: view.getUint32(at + SW_BYTES + 4, true),
    hasTiles: (features & XTILEDATA) !== 0,
  };
}
