/** The programs and shared libraries below a folder. */
import { open, readdir, readFile, readlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { buildId, FormatError, parseElf, symbolTable } from "../engine.ts";

export interface LinkedFile {
  /** Relative to the folder. */
  readonly path: string;
  readonly buildId: string;
  readonly hasSymbols: boolean;
}

/** All ELF files with a Build-ID, debug files among them, sorted by path. */
export async function findLinkedFiles(folder: string): Promise<readonly LinkedFile[]> {
  const found: LinkedFile[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const absolute = join(entry.parentPath, entry.name);
    if (!(await isLinkedElf(absolute))) continue;
    const described = describe(await readFile(absolute));
    if (described !== undefined)
      found.push({ path: absolute.slice(folder.length + 1), ...described });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Other names of files below a folder: symbolic links, absolute ones as if it were the root. */
export async function findAliases(folder: string): Promise<ReadonlyMap<string, string>> {
  const aliases = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(entry.parentPath, entry.name);
    const path = link.slice(folder.length + 1);
    const target = await readlink(link);
    aliases.set(path, resolve("/", dirname(path), target).slice(1));
  }
  return aliases;
}

/** The programs that systemd units below a folder start: base names. */
export async function findServices(folder: string): Promise<ReadonlySet<string>> {
  const programs = new Set<string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(?:service|socket)$/.test(entry.name)) continue;
    const text = await readFile(join(entry.parentPath, entry.name), "utf8");
    for (const [, program = ""] of text.matchAll(/^ExecStart=[-@:+!]*(\/\S+)/gm)) {
      programs.add(basename(program));
    }
  }
  return programs;
}

/** ELF magic and an e_type of ET_EXEC or ET_DYN: objects are not linked. */
async function isLinkedElf(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(18), 0, 18, 0);
    if (bytesRead < 18 || buffer.toString("latin1", 0, 4) !== "\x7fELF") return false;
    return [2, 3].includes(buffer.readUInt16LE(16));
  } finally {
    await file.close();
  }
}

function describe(bytes: Uint8Array): Omit<LinkedFile, "path"> | undefined {
  try {
    const elf = parseElf(bytes);
    const id = buildId(elf);
    return id === undefined ? undefined : { buildId: id, hasSymbols: symbolTable(elf).length > 0 };
  } catch (error) {
    // Packages ship broken and foreign ELF files as test data: they are no candidates.
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
