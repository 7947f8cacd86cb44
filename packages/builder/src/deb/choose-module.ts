/** The programs and libraries of a package that a build may make hotpatches for. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { alikeKey, type UnitDependencies } from "../changed-units.ts";
import type { Module } from "../module-symbols.ts";
import { createModule, openElf } from "../open-module.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import type { DebRequest } from "../request.ts";
import { openShipped, type ProvenModule } from "./open-shipped.ts";
import type { Rebuild } from "./rebuild.ts";
import type { ShippedFile } from "./shipped-files.ts";

/** A program or library that the rebuild was shown to be the same as, or not. */
export type OpenedBinary = ProvenModule | UnprovenModule;

/** One whose rebuild is another: its code can be looked for, and no hotpatch made. */
export interface UnprovenModule {
  readonly module: Module;
  readonly shipped: ShippedFile;
  readonly refusal: BuildRefusal;
}

/**
 * The program that was asked for, else all that ship; those that services start come first, then
 * those that take their name from the package.
 */
export async function openBinaries(
  request: DebRequest,
  files: { readonly shipped: readonly ShippedFile[]; readonly rebuild: Rebuild },
): Promise<readonly OpenedBinary[] | BuildRefusal> {
  const candidates = candidatesFor(request, files.shipped);
  if (isBuildRefusal(candidates)) return candidates;
  const opened: OpenedBinary[] = [];
  for (const shipped of candidates) {
    const name = displayName(request, shipped);
    const proven = await openShipped(shipped, name, files.rebuild);
    if (!isBuildRefusal(proven)) {
      opened.push(proven);
      continue;
    }
    const image = openElf(await readFile(shipped.absolute), shipped.path);
    if (isBuildRefusal(image)) return image;
    const module = createModule(image, { named: image, buildId: shipped.buildId, name });
    opened.push({ module, shipped, refusal: proven });
  }
  const rank = ({ shipped, module }: OpenedBinary): number =>
    Number(shipped.services.length > 0) * 2 + Number(module.name.startsWith(request.package));
  return opened.toSorted((a, b) => rank(b) - rank(a));
}

/**
 * The units whose source's name is in what ships. Those of tests and examples need not be
 * compiled; where names are missing, all may be in it.
 */
export function unitsThatShip(
  units: readonly UnitDependencies[],
  binaries: readonly { readonly module: Module }[],
): readonly UnitDependencies[] {
  if (binaries.some(({ module }) => !module.symbols.complete)) return units;
  const mayBeIn = ({ symbols, absent }: Module, { command }: UnitDependencies): boolean =>
    symbols.files.has(basename(command.file)) && absent?.has(alikeKey(command)) !== true;
  return units.filter(
    (unit) =>
      unit.command.language === "assembly" || binaries.some(({ module }) => mayBeIn(module, unit)),
  );
}

function candidatesFor(
  { binary }: DebRequest,
  shipped: readonly ShippedFile[],
): readonly ShippedFile[] | BuildRefusal {
  const wanted = binary?.replace(/^\/+/, "");
  const fitting = shipped.filter(
    ({ names }) =>
      wanted === undefined || names.some((name) => name === wanted || basename(name) === wanted),
  );
  // Copies of one program in one package have one Build-ID; a service's name is preferred.
  const distinct = new Map<string, ShippedFile>();
  for (const file of fitting) {
    const known = distinct.get(file.buildId);
    if (known === undefined || (known.services.length === 0 && file.services.length > 0)) {
      distinct.set(file.buildId, file);
    }
  }
  if (distinct.size > 0) return [...distinct.values()];
  return refuseBuild("not-in-binary", {
    name: binary ?? "the package",
    detail: "its binary packages have no such program or shared library",
    next: `choose one of: ${shipped.flatMap(({ names }) => names).join(", ")}`,
  });
}

/** The name that people know it by: as it was asked for, or as its service starts it. */
function displayName(request: DebRequest, { path, services, names }: ShippedFile): string {
  if (request.binary !== undefined) return basename(request.binary);
  const known = services.length > 0 ? services : names.map((name) => basename(name));
  const { package: name } = request;
  const likely = [name, `${name}d`, `${name}-server`].find((candidate) =>
    known.includes(candidate),
  );
  return likely ?? services[0] ?? basename(path);
}
