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
/** Where tile data begins: all other states that KNOWN names lie before it. */
export const SIZE_WITHOUT_TILES = 2816;
/** x87, SSE, AVX, the former MPX, AVX-512, PKRU, tile configuration and data, APX (in MPX's place). */
const KNOWN = 0x7 | 0x18 | 0xe0 | 0x200 | 0x60000 | 0x80000;

export interface StateFeatures {
  /** The lower half of XCR0, without tile data. */
  readonly low: number;
  readonly high: number;
  /** All of it lies within the first SIZE_WITHOUT_TILES bytes. */
  readonly endsBeforeTiles: boolean;
}

/** What the state of `size` bytes at `at` consists of; undefined for no known form, or tiles in use. */
export function stateFeatures(view: DataView, at: number, size: number): StateFeatures | undefined {
  if (size < XSTATE_HEADER_END || size > STATE_SIZE_MAX) return undefined;
  if ((view.getUint32(at + XSTATE_BV, true) & XTILEDATA) !== 0) return undefined;
  const features = view.getUint32(at + SW_BYTES, true);
  const high = view.getUint32(at + SW_BYTES + 4, true);
  return {
    low: (features & ~XTILEDATA) >>> 0,
    high,
    endsBeforeTiles: (features & ~KNOWN) === 0 && high === 0,
  };
}
