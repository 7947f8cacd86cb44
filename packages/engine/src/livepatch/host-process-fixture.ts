/** Programs that tests start to look at their modules and memory as a live patch does. */
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { loadBias } from "../bytes/address.ts";
import { PT } from "../elf/constants.ts";
import { parseElf, parseElfImage } from "../elf/file.ts";
import { parseMaps } from "../process/maps.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";

export interface HostProcess {
  /** As the mappings have them, the vdso included. */
  readonly modules: readonly LoadedModule[];
  readonly readMemory: ReadMemory;
}

export interface HostFolder {
  readonly newFolder: () => string;
  /** Opens a program that runs by now. */
  readonly open: (child: ChildProcess) => HostProcess;
}

/** A folder for the programs of one test file; after its tests they are ended and it is removed. */
export function openHostFolder(): HostFolder {
  const folder = mkdtempSync(join(tmpdir(), "suture-hosts-"));
  const opened: { child: ChildProcess; memory: number }[] = [];
  afterAll(() => {
    for (const { child, memory } of opened) {
      child.kill("SIGKILL");
      closeSync(memory);
    }
    rmSync(folder, { recursive: true });
  });
  return {
    newFolder: () => mkdtempSync(join(folder, "host-")),
    open(child) {
      const memory = openSync(`/proc/${child.pid}/mem`, "r");
      opened.push({ child, memory });
      const readMemory: ReadMemory = (address, size) => {
        const bytes = Buffer.alloc(size);
        try {
          return readSync(memory, bytes, 0, size, address) === size ? bytes : undefined;
        } catch {
          // EIO for what is not mapped; a number that is no offset is an error before that.
          return undefined;
        }
      };
      return { modules: readModules(child.pid ?? 0, readMemory), readMemory };
    },
  };
}

function readModules(pid: number, readMemory: ReadMemory): LoadedModule[] {
  const maps = parseMaps(readFileSync(`/proc/${pid}/maps`, "utf8"));
  const paths = new Set(maps.filter((map) => map.executable).map(({ path }) => path));
  return [...paths].flatMap((path): LoadedModule[] => {
    const mappings = maps.filter((map) => map.path === path);
    const [first, last] = [mappings[0], mappings.at(-1)];
    if (!first || !last || !/^\/|vdso/.test(path)) return [];
    const vdso = path === "[vdso]" && readMemory(first.start, last.end - first.start);
    const elf = vdso ? parseElfImage(vdso) : parseElf(readFileSync(path));
    const low = elf.segments.find(({ p_type }) => p_type === PT.PT_LOAD)?.p_vaddr ?? 0;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const bias = loadBias(first.start - (low - (low % 4096)));
    return [{ path, name, elf, bias, start: first.start, end: last.end, mappings }];
  });
}
