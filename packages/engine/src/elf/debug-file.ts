import { crc32 } from "node:zlib";
import { createReader } from "../bytes/reader.ts";
import { type ElfFile, sectionByName, sectionBytes } from "./file.ts";
import { buildId } from "./note.ts";

/** The name and checksum of the separate debug file, from .gnu_debuglink. */
export interface DebugLink {
  readonly name: string;
  /** CRC-32 (zlib's polynomial) over the whole debug file. */
  readonly crc: number;
}

/** What .gnu_debuglink says: a name, zero padding to 4 bytes, a checksum (GDB manual, 18.3). */
export function parseDebugLink(elf: ElfFile): DebugLink | undefined {
  const section = sectionByName(elf, ".gnu_debuglink");
  if (section === undefined) return undefined;
  const bytes = sectionBytes(elf, section);
  const reader = createReader(bytes, ".gnu_debuglink");
  const name = reader.cstring(0);
  const crcAt = Math.ceil((bytes.indexOf(0) + 1) / 4) * 4;
  return { name, crc: reader.u32(crcAt) };
}

/** The folder below which distributions install separate debug files. */
export const DEBUG_FOLDER = "/usr/lib/debug";

/**
 * Where the separate debug file of `elf`, which was read from `path`, may be; best first.
 *
 * The order is GDB's: by Build-ID below each debug folder, then by .gnu_debuglink beside the file,
 * in its `.debug` folder, and below each debug folder. A link name with a slash is not followed:
 * it would lead out of these folders. Which candidate fits, `checkDebugFile` says.
 */
export function debugFileCandidates(
  elf: ElfFile,
  at: { readonly path: string; readonly debugFolders?: readonly string[] },
): string[] {
  const folders = at.debugFolders ?? [DEBUG_FOLDER];
  const id = buildId(elf);
  const link = parseDebugLink(elf);
  const folder = at.path.slice(0, at.path.lastIndexOf("/"));
  const byId =
    id === undefined || id.length < 4
      ? []
      : folders.map((root) => `${root}/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
  if (link === undefined || link.name.includes("/") || link.name === "") return byId;
  return [
    ...byId,
    `${folder}/${link.name}`,
    `${folder}/.debug/${link.name}`,
    ...folders.map((root) => `${root}${folder}/${link.name}`),
  ];
}

/** Why a file is not the debug file of another. */
export type DebugFileMismatch = "other-build-id" | "other-checksum" | "nothing-to-compare";

/**
 * Says why `debug` does not belong to `elf`, or nothing where it does.
 *
 * Equal Build-IDs prove it; without a Build-ID the checksum of .gnu_debuglink must fit.
 */
export function checkDebugFile(elf: ElfFile, debug: ElfFile): DebugFileMismatch | undefined {
  const id = buildId(elf);
  if (id !== undefined) return buildId(debug) === id ? undefined : "other-build-id";
  const link = parseDebugLink(elf);
  if (link === undefined) return "nothing-to-compare";
  return crc32(debug.bytes) === link.crc ? undefined : "other-checksum";
}
