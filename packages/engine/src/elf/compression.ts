import { inflateSync, zstdDecompressSync } from "node:zlib";
import { FormatError } from "../bytes/format-error.ts";
import { createReader } from "../bytes/reader.ts";
import { ELFCOMPRESS, SHF, SIZE } from "./constants.ts";
import { type ElfFile, hasFlag, type Section, sectionBytes } from "./file.ts";
import { INFLATED_SIZE_MAX, ZLIB_RATIO_MAX, ZSTD_RATIO_MAX } from "./limits.ts";

/**
 * The section's contents, inflated where it is SHF_COMPRESSED (gABI "Compressed Sections").
 *
 * Throws FormatError for an unknown method, a stated size that the method cannot reach from so
 * few bytes or that exceeds INFLATED_SIZE_MAX, and for contents of another size than stated.
 */
export function readSection(elf: ElfFile, section: Section): Uint8Array {
  const bytes = sectionBytes(elf, section);
  if (!hasFlag(section.sh_flags, SHF.SHF_COMPRESSED)) return bytes;
  const what = `compressed section ${section.name}`;
  const reader = createReader(bytes, what);
  const ch_type = reader.u32(0);
  const ch_size = reader.u64(8);
  const packed = reader.bytes(SIZE.chdr, reader.size - SIZE.chdr);
  const unpack = method(what, ch_type);
  const sizeMax = Math.min(INFLATED_SIZE_MAX, (packed.length + 16) * unpack.ratioMax);
  if (ch_size > sizeMax) {
    throw new FormatError({ what, offset: 8, expected: `at most ${sizeMax}`, found: `${ch_size}` });
  }
  const contents = unpack.run(packed, ch_size);
  if (contents.length !== ch_size) {
    throw new FormatError({
      what,
      offset: SIZE.chdr,
      expected: `${ch_size} bytes inflated`,
      found: `${contents.length}`,
    });
  }
  return contents;
}

interface Method {
  readonly ratioMax: number;
  run(packed: Uint8Array, size: number): Uint8Array;
}

function method(what: string, ch_type: number): Method {
  switch (ch_type) {
    case ELFCOMPRESS.ELFCOMPRESS_ZLIB:
      return {
        ratioMax: ZLIB_RATIO_MAX,
        run: (packed, size) => checked(what, () => inflateSync(packed, limit(size))),
      };
    case ELFCOMPRESS.ELFCOMPRESS_ZSTD:
      return {
        ratioMax: ZSTD_RATIO_MAX,
        run: (packed, size) => checked(what, () => zstdDecompressSync(packed, limit(size))),
      };
    default:
      throw new FormatError({ what, offset: 0, expected: "zlib or zstd", found: `${ch_type}` });
  }
}

/** One byte more than stated, so that longer contents are seen and not cut. */
const limit = (size: number): { maxOutputLength: number } => ({ maxOutputLength: size + 1 });

function checked(what: string, inflate: () => Uint8Array): Uint8Array {
  try {
    return inflate();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new FormatError({
      what,
      offset: SIZE.chdr,
      expected: "compressed contents",
      found: error.message,
    });
  }
}
