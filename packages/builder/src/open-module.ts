/** Opens the program or library that is patched, with the best symbols that are there. */
import { existsSync } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { basename } from "node:path";
import { createCodeRanges } from "./code-ranges.ts";
import {
  buildId,
  checkDebugFile,
  type DebugFileMismatch,
  debugFileCandidates,
  type ElfFile,
  ET,
  FormatError,
  functionRanges,
  parseElf,
  symbolTable,
} from "./engine.ts";
import { isSharedLibrary, type Module, readModuleSymbols } from "./module-symbols.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "./refusals.ts";

export interface OpenedModule {
  readonly module: Module;
  /** True when the build made a file with the same Build-ID: source and flags are proven. */
  readonly rebuilt: boolean;
  /** The module's file and others of its build: debug files among them. */
  readonly files: readonly ElfFile[];
}

/**
 * Opens `image`, the bytes of `binary` before any build, with the best symbols of the same build.
 *
 * They come from `debugFile`, from a debug file where distributions and debuggers look for one,
 * from the file itself, or from one of those that a build linked. Without any, the module is
 * known by its dynamic symbols and by its code. A `debugFile` of another build is refused.
 */
export async function openModule(
  files: {
    readonly binary: string;
    readonly debugFile?: string;
    readonly debugFolders?: readonly string[];
    readonly linked: readonly string[];
  },
  image: Uint8Array,
): Promise<OpenedModule | BuildRefusal> {
  const elf = openElf(image, files.binary);
  if (isBuildRefusal(elf)) return elf;
  const id = buildId(elf);
  if (id === undefined) return refuseNoBuildId(files.binary);
  const given = await openGiven(elf, files.debugFile);
  if (given !== undefined && isBuildRefusal(given)) return given;
  const linked = await openWithBuildId(files.linked, id);
  const found = given === undefined ? await findDebugFiles(elf, files) : [given];
  const candidates = [...found, elf, ...linked].filter((file) => symbolTable(file).length > 0);
  const name = basename(files.binary);
  const modules = candidates.map((named) => createModule(elf, { named, buildId: id, name }));
  const module =
    modules.find(({ symbols }) => symbols.complete) ??
    modules[0] ??
    createModule(elf, { named: elf, buildId: id, name });
  if (!module.symbols.complete && !canSearch(elf)) return refuseNoSymbols(files.binary);
  return { module, rebuilt: linked.length > 0, files: [...found, elf, ...linked] };
}

/** The debug file that the request names. */
async function openGiven(
  elf: ElfFile,
  path: string | undefined,
): Promise<ElfFile | BuildRefusal | undefined> {
  if (path === undefined) return undefined;
  if (!existsSync(path)) return refuseDebugFile(path, "it does not exist");
  const debug = openElf(await readFile(path), path);
  if (isBuildRefusal(debug)) return debug;
  const mismatch = checkDebugFile(elf, debug);
  return mismatch === undefined ? debug : refuseDebugFile(path, debugMismatch[mismatch]);
}

/** Debug files that are where gdb looks for them; one that does not fit is passed over. */
async function findDebugFiles(
  elf: ElfFile,
  files: { readonly binary: string; readonly debugFolders?: readonly string[] },
): Promise<readonly ElfFile[]> {
  const { debugFolders } = files;
  const path = await realpath(files.binary);
  const paths = debugFileCandidates(elf, { path, ...(debugFolders && { debugFolders }) });
  const found: ElfFile[] = [];
  for (const candidate of new Set(paths)) {
    if (!existsSync(candidate) || candidate === path) continue;
    const debug = openElf(await readFile(candidate), candidate);
    if (!isBuildRefusal(debug) && checkDebugFile(elf, debug) === undefined) found.push(debug);
  }
  return found;
}

/** Without unwind information no function is found, without sections no stub is told from code. */
const canSearch = (elf: ElfFile): boolean =>
  elf.sections.length > 1 && functionRanges(elf).length > 0;

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
): Module => {
  const symbols = readModuleSymbols(image, known.named);
  return {
    image,
    buildId: known.buildId,
    name: known.name,
    isLibrary: isSharedLibrary(image),
    symbols,
    ...(!symbols.complete && { code: createCodeRanges(image) }),
  };
};

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
    detail:
      "it has no symbols and no unwind information, and no file of the same build has symbols",
    next: "give its debug file, or a build command that makes the identical program",
  });

const debugMismatch: Readonly<Record<DebugFileMismatch, string>> = {
  "other-build-id": "it is the debug file of another build: the Build-ID differs",
  "other-checksum": "it is the debug file of another build: the checksum differs",
  "nothing-to-compare": "nothing shows that it belongs to the program or library",
};

const refuseDebugFile = (path: string, detail: string): BuildRefusal =>
  refuseBuild("no-symbols", {
    name: path,
    detail,
    next: "give the debug file of the very build that runs, or none",
  });
