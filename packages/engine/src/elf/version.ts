import { FormatError } from "../bytes/format-error.ts";
import { type ByteReader, createReader } from "../bytes/reader.ts";
import { VERSION_COUNT_MAX } from "./limits.ts";
import type { StringTable } from "./string-table.ts";

/** A symbol version that the file defines, or needs from another file. */
export interface SymbolVersion {
  readonly name: string;
  /** The file that must define it; absent for versions that this file defines. */
  readonly file?: string;
}

/** Version indices as .gnu.version uses them (LSB "Symbol Versioning"). */
export type VersionNames = ReadonlyMap<number, SymbolVersion>;

const VER_FLG_BASE = 1;
const VERSION_INDEX_MASK = 0x7fff;
const VERSION_HIDDEN = 0x8000;

/** One half-word of .gnu.version: the index of the version and whether it is not the default. */
export const splitVersionIndex = (value: number): { index: number; hidden: boolean } => ({
  index: value & VERSION_INDEX_MASK,
  hidden: (value & VERSION_HIDDEN) !== 0,
});

/** The versions of .gnu.version_d, without the base definition, which names the file. */
export function parseVersionDefinitions(bytes: Uint8Array, names: StringTable): VersionNames {
  const reader = createReader(bytes, ".gnu.version_d");
  const versions = new Map<number, SymbolVersion>();
  walk(reader, { start: 0, nextAt: 16, size: 20 }, (at) => {
    const vd_flags = reader.u16(at + 2);
    const vd_aux = reader.u32(at + 12);
    if ((vd_flags & VER_FLG_BASE) !== 0) return;
    const index = reader.u16(at + 4) & VERSION_INDEX_MASK;
    versions.set(index, { name: names(reader.u32(at + vd_aux)) });
  });
  return versions;
}

/** The versions of .gnu.version_r with the files they are needed from. */
export function parseVersionNeeds(bytes: Uint8Array, names: StringTable): VersionNames {
  const reader = createReader(bytes, ".gnu.version_r");
  const versions = new Map<number, SymbolVersion>();
  let total = 0;
  walk(reader, { start: 0, nextAt: 12, size: 16 }, (at) => {
    const file = names(reader.u32(at + 4));
    walk(reader, { start: at + reader.u32(at + 8), nextAt: 12, size: 16 }, (aux) => {
      total++;
      if (total > VERSION_COUNT_MAX) throw endless(reader, aux);
      versions.set(reader.u16(aux + 6) & VERSION_INDEX_MASK, {
        name: names(reader.u32(aux + 8)),
        file,
      });
    });
  });
  return versions;
}

/** Follows a chain of records, each of which states the distance to the next, 0 at the last. */
function walk(
  reader: ByteReader,
  chain: { start: number; nextAt: number; size: number },
  visit: (at: number) => void,
): void {
  if (reader.size === 0) return;
  let at = chain.start;
  for (let count = 0; count < VERSION_COUNT_MAX; count++) {
    reader.bytes(at, chain.size);
    visit(at);
    const next = reader.u32(at + chain.nextAt);
    if (next === 0) return;
    at += next;
  }
  throw endless(reader, at);
}

const endless = (reader: ByteReader, offset: number): FormatError =>
  new FormatError({
    what: "symbol versions",
    offset,
    expected: `at most ${VERSION_COUNT_MAX} records in ${reader.size} bytes`,
    found: "more",
  });
