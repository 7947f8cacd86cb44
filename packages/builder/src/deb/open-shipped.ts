/**
 * Proves that a rebuilt program is the one that ships, and takes its symbols.
 *
 * An equal Build-ID is the proof: the linker computes it over all that it writes. Where it
 * differs (a path in the debug information, another compiler's patch level) the code may still be
 * the same: then every loaded section must be, byte for byte, but for the Build-ID itself.
 */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { HotpatchManifest } from "@suture/release";
import { type ElfFile, parseElf, SHF, SHT, sectionBytes } from "../engine.ts";
import type { Module } from "../module-symbols.ts";
import { createModule, openElf } from "../open-module.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import type { LinkedFile } from "./linked-files.ts";
import type { Rebuild } from "./rebuild.ts";
import type { ShippedFile } from "./shipped-files.ts";

export interface ProvenModule {
  readonly module: Module;
  readonly proof: HotpatchManifest["builtFrom"]["proof"];
  readonly shipped: ShippedFile;
}

/** The module of a shipped file, known by `name`, with the symbols of its rebuild. */
export async function openShipped(
  shipped: ShippedFile,
  name: string,
  rebuild: Rebuild,
): Promise<ProvenModule | BuildRefusal> {
  const image = openElf(await readFile(shipped.absolute), shipped.path);
  if (isBuildRefusal(image)) return image;
  const same = symbolFile(rebuild, shipped.buildId);
  if (same !== undefined) {
    const named = parseElf(await readFile(join(rebuild.root, same.path)));
    const module = createModule(image, { named, buildId: shipped.buildId, name });
    return { module, proof: "identical-build-id", shipped };
  }
  const twin = await findTwin(image, shipped, rebuild);
  if (isBuildRefusal(twin)) return twin;
  const module = createModule(image, { named: twin, buildId: shipped.buildId, name });
  return { module, proof: "matching-code", shipped };
}

const symbolFile = ({ linked }: Rebuild, buildId: string): LinkedFile | undefined =>
  linked.find((file) => file.hasSymbols && file.buildId === buildId);

/** The rebuilt file with symbols whose loaded sections are those of the shipped one. */
async function findTwin(
  image: ElfFile,
  shipped: ShippedFile,
  rebuild: Rebuild,
): Promise<ElfFile | BuildRefusal> {
  let difference = `the rebuild made no file named ${basename(shipped.path)}`;
  for (const file of rebuild.linked) {
    if (basename(file.path) !== basename(shipped.path)) continue;
    const symbols = symbolFile(rebuild, file.buildId);
    if (symbols === undefined) continue;
    const rebuilt = parseElf(await readFile(join(rebuild.root, file.path)));
    const found = firstDifference(image, rebuilt);
    if (found === undefined) return parseElf(await readFile(join(rebuild.root, symbols.path)));
    difference = `section ${found} of the rebuilt file differs`;
  }
  return refuseBuild("not-the-source", {
    name: shipped.path,
    detail: `the rebuild has another Build-ID, and ${difference}`,
    next: "rebuild with the compiler and libraries that the distribution used",
  });
}

/** The name of the first loaded section that differs, the Build-ID's own left out. */
function firstDifference(shipped: ElfFile, rebuilt: ElfFile): string | undefined {
  const others = new Map(rebuilt.sections.map((section) => [section.name, section]));
  for (const section of shipped.sections) {
    if ((section.sh_flags & SHF.SHF_ALLOC) === 0 || section.name === ".note.gnu.build-id") continue;
    const other = others.get(section.name);
    if (other?.sh_addr !== section.sh_addr || other.sh_size !== section.sh_size) {
      return section.name;
    }
    if (section.sh_type === SHT.SHT_NOBITS) continue;
    const [a, b] = [sectionBytes(shipped, section), sectionBytes(rebuilt, other)];
    if (Buffer.compare(a, b) !== 0) return section.name;
  }
  return undefined;
}
