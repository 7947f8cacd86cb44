import type { Layout, Protection } from "./layout.ts";

export interface LinkedSegment {
  readonly protection: Protection;
  /** From the base. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The bytes of all segments, written by their offset from the base. */
export interface Image {
  readonly segments: readonly LinkedSegment[];
  /** The bytes from an offset to the end of its segment. */
  bytesAt(offset: number): Uint8Array;
}

const INT3 = 0xcc;

/** All zero, but the gaps of the code hold int3. */
export function createImage(layout: Layout): Image {
  const segments = layout.segments.map(({ protection, offset, size }) => ({
    protection,
    offset,
    bytes: new Uint8Array(size).fill(protection === "r-x" ? INT3 : 0),
  }));
  return {
    segments,
    bytesAt(offset) {
      const segment = segments.findLast((candidate) => candidate.offset <= offset);
      return segment ? segment.bytes.subarray(offset - segment.offset) : new Uint8Array(0);
    },
  };
}
