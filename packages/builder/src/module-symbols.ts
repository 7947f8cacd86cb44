/**
 * The program or library that is patched, and the names in it.
 *
 * Code and data come from the file that ships, which is mostly stripped; names from a file with
 * the same layout that is not: the rebuilt one, or a separate debug file. In a linked file's
 * symbol table the local symbols of each object stand behind an STT_FILE symbol with its source's
 * name; behind an STT_FILE without a name stand those of no object, among them the global
 * symbols with hidden visibility, which the linker makes local (binutils ld, elflink.c).
 */
import type { CodeRanges } from "./code-ranges.ts";
import {
  dynamicSymbols,
  type ElfFile,
  type ElfSymbol,
  parseDynamic,
  SHN,
  STB,
  STT,
  symbolTable,
} from "./engine.ts";

export interface Module {
  /** The file as it ships and runs. */
  readonly image: ElfFile;
  readonly buildId: string;
  readonly name: string;
  /** True for a shared library, whose exported symbols other modules may replace. */
  readonly isLibrary: boolean;
  readonly symbols: ModuleSymbols;
  /** Recorded units that are surely not linked into it, by `alikeKey`. */
  readonly absent?: ReadonlySet<string>;
  /** Where functions may be, for a module whose symbols are not complete. */
  readonly code?: CodeRanges;
}

export interface ModuleSymbols {
  /**
   * Whether a symbol table tells of everything in the module, and from which file it came.
   * strip takes the names of the source files first: without these, names may be missing.
   */
  readonly complete: boolean;
  /** The base names of the source files that the module was linked from, and how many have each. */
  readonly files: ReadonlyMap<string, number>;
  /** Defined symbols that are global, or were before the linker hid them, by plain name. */
  readonly globals: ReadonlyMap<string, ElfSymbol>;
  readonly locals: ReadonlyMap<string, readonly LocalSymbol[]>;
  /** Versions of the dynamic symbols that the module needs from elsewhere, by plain name. */
  readonly needed: ReadonlyMap<string, string | undefined>;
  /** Plain names of the symbols that the dynamic linker finds in this module. */
  readonly exported: ReadonlySet<string>;
}

export interface LocalSymbol {
  readonly symbol: ElfSymbol;
  /** The base name of the source file that the symbol came from. */
  readonly file: string;
  /** Differs for two files of one name. */
  readonly group: number;
}

/**
 * Reads the names of a module: `named` has the symbol table, `image` the dynamic symbols, which
 * are all there is where `named` has none.
 */
export function readModuleSymbols(image: ElfFile, named: ElfFile): ModuleSymbols {
  const globals = new Map<string, ElfSymbol>();
  const locals = new Map<string, LocalSymbol[]>();
  const files = new Map<string, number>();
  let file = "";
  let group = 0;
  for (const symbol of symbolTable(named)) {
    if (symbol.type === STT.STT_FILE) {
      file = symbol.name;
      files.set(file, (files.get(file) ?? 0) + 1);
      group += 1;
      continue;
    }
    if (symbol.st_shndx === SHN.SHN_UNDEF || symbol.type === STT.STT_SECTION) continue;
    const name = plainName(symbol.name);
    if (name === "") continue;
    const wasHidden = symbol.binding === STB.STB_LOCAL && file === "" && group > 0;
    if (symbol.binding !== STB.STB_LOCAL || wasHidden) {
      if (!globals.has(name) || symbol.binding === STB.STB_GLOBAL) globals.set(name, symbol);
    } else {
      const list = locals.get(name) ?? [];
      list.push({ symbol, file, group });
      locals.set(name, list);
    }
  }
  const complete = group > 0;
  for (const symbol of complete ? [] : dynamicSymbols(image)) {
    const isDefined = symbol.name !== "" && symbol.st_shndx !== SHN.SHN_UNDEF;
    if (isDefined && !globals.has(symbol.name)) globals.set(symbol.name, symbol);
  }
  return { complete, files, globals, locals, ...readDynamicNames(image) };
}

/** `stdout@GLIBC_2.2.5` and `f@@V2` stand in a linked symbol table for `stdout` and `f`. */
const plainName = (name: string): string => {
  const at = name.indexOf("@");
  return at > 0 ? name.slice(0, at) : name;
};

function readDynamicNames(image: ElfFile): Pick<ModuleSymbols, "needed" | "exported"> {
  const needed = new Map<string, string | undefined>();
  const exported = new Set<string>();
  for (const symbol of dynamicSymbols(image)) {
    if (symbol.name === "") continue;
    if (symbol.st_shndx === SHN.SHN_UNDEF) needed.set(symbol.name, symbol.version);
    else exported.add(symbol.name);
  }
  return { needed, exported };
}

const DT_FLAGS_1 = 0x6fff_fffb;
const DF_1_PIE = 0x0800_0000;
const ET_EXEC = 2;
const PT_INTERP = 3;

/** Whether a linked file is a library: neither at a fixed address, nor a PIE, nor with a loader. */
export function isSharedLibrary(image: ElfFile): boolean {
  if (image.e_type === ET_EXEC) return false;
  const flags = parseDynamic(image)?.entries.find(({ d_tag }) => d_tag === DT_FLAGS_1)?.d_val ?? 0;
  if ((flags & DF_1_PIE) !== 0) return false;
  return !image.segments.some(({ p_type }) => p_type === PT_INTERP) || hasSoname(image);
}

const hasSoname = (image: ElfFile): boolean => parseDynamic(image)?.soname !== undefined;
