/** Which of a package's programs and libraries the hotpatch is for. */
import { basename } from "node:path";
import type { CompiledUnit } from "../compare-trees.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import type { DebRequest } from "../request.ts";
import { absentNotes, type ModuleUnit, unitsInModule } from "../units-in-module.ts";
import { openShipped, type ProvenModule } from "./open-shipped.ts";
import type { Rebuild } from "./rebuild.ts";
import type { ShippedFile } from "./shipped-files.ts";

export interface ChosenModule extends ProvenModule {
  readonly units: readonly ModuleUnit[];
  /** Why other units, which are in it, cannot be taken. */
  readonly refused: readonly BuildRefusal[];
  /** Sentences about other programs that the fix concerns too. */
  readonly notes: readonly string[];
}

/**
 * The program that was asked for; else, of those that contain changed units, one that a service
 * starts, and of these the one with most.
 */
export async function chooseModule(
  request: DebRequest,
  files: {
    readonly shipped: readonly ShippedFile[];
    readonly rebuild: Rebuild;
    readonly compiled: readonly CompiledUnit[];
  },
): Promise<ChosenModule | BuildRefusal> {
  const candidates = candidatesFor(request, files.shipped);
  if (isBuildRefusal(candidates)) return candidates;
  const choices: ChosenModule[] = [];
  let refusal: BuildRefusal | undefined;
  for (const shipped of candidates) {
    const opened = await openShipped(shipped, displayName(request, shipped), files.rebuild);
    if (isBuildRefusal(opened)) {
      refusal = opened;
      continue;
    }
    const { units, refused, absent } = unitsInModule(files.compiled, opened.module);
    const notes = absentNotes(absent, opened.module.name);
    if (units.length > 0) choices.push({ ...opened, units, refused, notes });
    else refusal = refused[0] ?? refusal;
  }
  choices.sort(
    (a, b) =>
      a.refused.length - b.refused.length ||
      Number(b.shipped.services.length > 0) - Number(a.shipped.services.length > 0) ||
      b.units.length - a.units.length,
  );
  const [best, ...others] = choices;
  if (best === undefined) return refusal ?? refuseElsewhere(candidates, files.compiled);
  const notes = others.map(({ shipped, units, refused }) => {
    const todo = refused.length > 0 ? "which is refused" : "build one for it";
    return `${basename(shipped.path)} contains ${units.length} of the changed units too: ${todo} with its name as the binary`;
  });
  return { ...best, notes: [...best.notes, ...notes] };
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

const refuseElsewhere = (
  candidates: readonly ShippedFile[],
  compiled: readonly CompiledUnit[],
): BuildRefusal =>
  refuseBuild("not-in-binary", {
    name: candidates.map(({ path }) => path).join(", "),
    detail: `no changed unit is part of it: ${compiled.map(({ unit }) => unit.name).join(", ")}`,
    next: "give the program or library that these units are linked into",
  });
