/**
 * Proves that a rebuilt program is the one that ships, and takes its symbols.
 *
 * An equal Build-ID is the proof: the linker computes it over all that it writes. Where it
 * differs (a path in the debug information, the version of a library in a string) code and data
 * may still be the same: `compare-builds.ts` says how far, and what is not.
 */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { HotpatchManifest } from "@suture/release";
import { type ElfFile, parseElf } from "../engine.ts";
import type { Module } from "../module-symbols.ts";
import { createModule, openElf } from "../open-module.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import { type BuildComparison, compareBuilds, contentDiffers } from "./compare-builds.ts";
import type { LinkedFile } from "./linked-files.ts";
import { absentUnits } from "./linked-units.ts";
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
    const copies = rebuild.linked.filter((file) => file.buildId === shipped.buildId);
    return {
      module: { ...module, absent: absentFrom(copies, module, rebuild) },
      proof: "identical-build-id",
      shipped,
    };
  }
  return openTwin({ image, shipped, name }, rebuild);
}

/** One of the copies of a file is where the linker put it; the others were installed. */
function absentFrom(
  copies: readonly LinkedFile[],
  { symbols }: Module,
  rebuild: Rebuild,
): ReadonlySet<string> {
  for (const { path } of copies) {
    const absent = absentUnits(join(rebuild.root, path), rebuild, symbols);
    if (absent.size > 0) return absent;
  }
  return new Set();
}

const symbolFile = ({ linked }: Rebuild, buildId: string): LinkedFile | undefined =>
  linked.find((file) => file.hasSymbols && file.buildId === buildId);

/** Differences that a refusal names. */
const differencesShown = 8;

/** The module with the symbols of a rebuilt file of its name that is the same but for its Build-ID. */
async function openTwin(
  file: { readonly image: ElfFile; readonly shipped: ShippedFile; readonly name: string },
  rebuild: Rebuild,
): Promise<ProvenModule | BuildRefusal> {
  const { image, shipped, name } = file;
  let best: BuildComparison | undefined;
  for (const candidate of rebuild.linked) {
    if (basename(candidate.path) !== basename(shipped.path)) continue;
    const symbols = symbolFile(rebuild, candidate.buildId);
    if (symbols === undefined) continue;
    const rebuilt = parseElf(await readFile(join(rebuild.root, candidate.path)));
    const named = parseElf(await readFile(join(rebuild.root, symbols.path)));
    const found = compareBuilds(image, rebuilt, named);
    const { proof } = found;
    if (proof === undefined) {
      best =
        best === undefined || found.differences.length < best.differences.length ? found : best;
      continue;
    }
    // Where sections moved, the names of the rebuilt file are those of other addresses.
    const known = { named: hasSameLayout(found) ? named : image, buildId: shipped.buildId, name };
    const module = createModule(image, known);
    return { module, proof: proof === "matching-functions" ? "matching-code" : proof, shipped };
  }
  return refuseStranger(shipped, best);
}

const hasSameLayout = ({ sections, compared }: BuildComparison): boolean =>
  compared === 0 || sections.every(({ detail }) => detail === contentDiffers);

function refuseStranger(
  { path }: ShippedFile,
  comparison: BuildComparison | undefined,
): BuildRefusal {
  const next = "rebuild with the compiler and libraries that the distribution used";
  const name = basename(path);
  if (comparison === undefined) {
    const detail = `the rebuild has another Build-ID, and made no file named ${name}`;
    return refuseBuild("not-the-source", { name: path, detail, next });
  }
  const { differences, compared } = comparison;
  const shown = differences
    .slice(0, differencesShown)
    .map((found) => `${found.name}: ${found.detail}`);
  const more = differences.length - shown.length;
  const rest = more > 0 ? `; and ${more} more` : "";
  return refuseBuild("not-the-source", {
    name: path,
    detail: `the rebuild has another Build-ID, and of ${compared} functions and the data these differ: ${shown.join("; ")}${rest}`,
    next,
  });
}
