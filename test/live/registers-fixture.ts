/** The victim `registers` in its modes, and the page in which it says what became of its registers. */
import { openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";

const PAGE_SIZE = 4096;
const processor = readFileSync("/proc/cpuinfo", "latin1");
const hasFlag = (flag: string): boolean =>
  new RegExp(`^flags\\s*:.*\\b${flag}\\b`, "m").test(processor);

export const processorHas = { AVX: hasFlag("avx"), "AVX-512": hasFlag("avx512f") } as const;

/** What the victim does, what it holds meanwhile, and what of the processor that needs. */
export const MODES = [
  { mode: "spin", holds: "registers, flags and vectors while it runs", needs: "AVX" },
  { mode: "wide", holds: "wide vectors and masks while it runs", needs: "AVX-512" },
  { mode: "sleep", holds: "registers, flags and vectors in a continued call", needs: "AVX" },
  { mode: "wait", holds: "registers, flags and vectors in a repeated call", needs: "AVX" },
] as const;

export interface Shared {
  readonly rounds: number;
  readonly oldCalls: number;
  readonly newCalls: number;
  /** The number of the register that was found changed; 0 for none. */
  readonly wrong: number;
}

/** The page that the victim shares with us. */
export function openShared(path: string): { read: () => Shared; end: () => void } {
  writeFileSync(path, new Uint8Array(PAGE_SIZE));
  const file = openSync(path, "r+");
  return {
    read: () => {
      const bytes = Buffer.alloc(40);
      readSync(file, bytes, 0, bytes.length, 0);
      const word = (index: number): number => Number(bytes.readBigInt64LE(index * 8));
      return { rounds: word(0), oldCalls: word(1), newCalls: word(2), wrong: word(4) };
    },
    end: () => {
      writeSync(file, Uint8Array.of(1), 0, 1, 24);
    },
  };
}
