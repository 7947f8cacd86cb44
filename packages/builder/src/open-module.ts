/** Opens the program or library that is patched, with the best symbols that are there. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { buildId, type ElfFile, ET, FormatError, parseElf, symbolTable } from "./engine.ts";
import { isSharedLibrary, type Module, readModuleSymbols } from "./module-symbols.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "./refusals.ts";

export interface OpenedModule {
  readonly module: Module;
  /** True when the build made a file with the same Build-ID: source and flags are proven. */
  readonly rebuilt: boolean;
}

/**
 * Opens `image`, the bytes of `binary` before any build, with the symbols of `debugFile`, of
 * itself, or of one of the files that a build linked, whichever of the same Build-ID has some.
 */
export async function openModule(
  files: {
    readonly binary: string;
    readonly debugFile?: string;
    readonly linked: readonly string[];
  },
  image: Uint8Array,
): Promise<OpenedModule | BuildRefusal> {
  const elf = openElf(image, files.binary);
  if (isBuildRefusal(elf)) return elf;
  const id = buildId(elf);
  if (id === undefined) return refuseNoBuildId(files.binary);
  const linked = await openWithBuildId(files.linked, id);
  const debug = files.debugFile === undefined ? [] : await openWithBuildId([files.debugFile], id);
  const named = [...debug, elf, ...linked].find((candidate) => symbolTable(candidate).length > 0);
  if (named === undefined) return refuseNoSymbols(files.binary);
  const name = basename(files.binary);
  return { module: createModule(elf, { named, buildId: id, name }), rebuilt: linked.length > 0 };
}

/** Those of the files that are there and have this Build-ID. */
async function openWithBuildId(paths: readonly string[], id: string): Promise<readonly ElfFile[]> {
  const found: ElfFile[] = [];
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const elf = openElf(await readFile(path), path);
    if (!isBuildRefusal(elf) && buildId(elf) === id) found.push(elf);
  }
  return found;
}

/** The module of an image and a file of the same build that has symbols. */
export const createModule = (
  image: ElfFile,
  known: { readonly named: ElfFile; readonly buildId: string; readonly name: string },
): Module => ({
  image,
  buildId: known.buildId,
  name: known.name,
  isLibrary: isSharedLibrary(image),
  symbols: readModuleSymbols(image, known.named),
});

/** Parses a linked file; what is none is refused. */
export function openElf(bytes: Uint8Array, path: string): ElfFile | BuildRefusal {
  try {
    const elf = parseElf(bytes);
    if (elf.e_type === ET.ET_EXEC || elf.e_type === ET.ET_DYN) return elf;
    return refuseBinary(path, "it is neither a program nor a shared library");
  } catch (error) {
    if (error instanceof FormatError) return refuseBinary(path, error.message);
    throw error;
  }
}

const refuseBinary = (path: string, detail: string): BuildRefusal =>
  refuseBuild("bad-binary", {
    name: path,
    detail,
    next: "give the 64-bit x86 ELF program or shared library that runs",
  });

const refuseNoBuildId = (path: string): BuildRefusal =>
  refuseBuild("bad-binary", {
    name: path,
    detail: "it has no Build-ID, so that a process that runs it could not be recognised",
    next: "link it with -Wl,--build-id, which distributions do for all they ship",
  });

const refuseNoSymbols = (path: string): BuildRefusal =>
  refuseBuild("no-symbols", {
    name: path,
    detail: "it is stripped, and no file with the same Build-ID has its symbols",
    next: "give its debug file, or a build command that makes the identical program",
  });
