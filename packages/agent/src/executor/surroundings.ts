/** What runs here, put together for decisions: components, packages, and what is in the processes. */
import type { AppliedHotpatch } from "@suture/engine";
import type { QualityUpdate } from "@suture/release";
import {
  type ComponentProcess,
  componentsOf,
  type RunningComponent,
} from "../inventory/components.ts";
import type { InstalledPackage, PackageIndex } from "../inventory/packages.ts";
import type { RunningProcess, Scanner } from "../inventory/scan.ts";
import type { PatchedProcesses } from "./patched-processes.ts";
import { type RestartCommand, restartsOf } from "./restart-commands.ts";
import type { ComponentFact } from "./situation.ts";

export interface SurroundingsParts {
  readonly scanner: Scanner;
  readonly packages: PackageIndex;
  readonly patched: PatchedProcesses;
  readonly restartCommands: readonly RestartCommand[];
  /** The executor itself, which nobody can stop while it works. */
  readonly ownPid: number;
}

export interface Surroundings {
  readonly processes: readonly RunningProcess[];
  readonly components: readonly SeenComponent[];
}

export interface SeenComponent extends RunningComponent {
  readonly installed?: InstalledPackage;
  /** The hotpatch of this component in each of its processes. */
  readonly applied: ReadonlyMap<number, AppliedHotpatch>;
}

/** One look at everything. Of files of no interest it is not asked what is applied to them. */
export async function lookAround(
  { scanner, packages, patched, ownPid }: SurroundingsParts,
  isOfInterest: (component: { readonly buildId: string }) => boolean,
): Promise<Surroundings> {
  const hasInterest = ({ files }: RunningProcess) => files.some(isOfInterest);
  const processes = scanner.scan(hasInterest).filter(({ pid }) => pid !== ownPid);
  patched.keepOnly(new Set(processes.map(({ pid }) => pid)));
  const found = componentsOf(processes);
  await packages.learn(found.map(({ file }) => file));
  const components = found.map((component) => {
    const installed = packages.packageOf(component.file);
    const applied = isOfInterest(component) ? appliedTo(component, patched) : new Map();
    return { ...component, ...(installed && { installed }), applied };
  });
  return { processes, components };
}

function appliedTo(
  { buildId, processes }: RunningComponent,
  patched: PatchedProcesses,
): Map<number, AppliedHotpatch> {
  return new Map(
    processes.flatMap(({ process }): [number, AppliedHotpatch][] => {
      const own = patched.appliedIn(process).filter((patch) => patch.buildId === buildId);
      // The newest counts; an older one beside it is being freed.
      const newest = own.toSorted((a, b) => b.sequence - a.sequence)[0];
      return newest === undefined ? [] : [[process.pid, newest]];
    }),
  );
}

/** A component as decisions see it. */
export function factOf(
  component: SeenComponent,
  restartCommands: readonly RestartCommand[],
): ComponentFact {
  const { buildId, file, processes, applied, installed } = component;
  const running = processes.map(({ process }) => process);
  return {
    buildId,
    file,
    ...(installed && { package: installed.package }),
    isRestartable: restartsOf(file, running, restartCommands) !== undefined,
    processes: processes.map(({ process, outdated }) => {
      const patch = applied.get(process.pid);
      return {
        pid: process.pid,
        group: groupOf(process),
        outdated,
        ...(patch && { applied: { id: patch.id, sequence: patch.sequence } }),
      };
    }),
  };
}

/** What is switched together: a service; where no service manager tells, what one user runs. */
export const groupOf = ({ unit, uid }: Pick<RunningProcess, "unit" | "uid">): string =>
  unit === undefined ? `user ${uid}` : `${unit} of user ${uid}`;

/** Whether any update, or anything that was ever applied, has to do with the component. */
export function interestIn(
  updates: readonly QualityUpdate[],
  buildIds: Iterable<string>,
): (component: { readonly buildId: string }) => boolean {
  const known = new Set(buildIds);
  for (const update of updates) for (const { buildId } of update.components) known.add(buildId);
  return ({ buildId }) => known.has(buildId);
}

export const processesOf = (
  { processes }: { readonly processes: readonly ComponentProcess[] },
  pids: readonly number[],
): RunningProcess[] =>
  processes.map(({ process }) => process).filter(({ pid }) => pids.includes(pid));

/** `redis/2026-10/BUILD-ID.3.hotpatch` is for the Build-ID that stands in it. */
export const buildIdOf = (target: string): string | undefined =>
  /\/([0-9a-f]+)\.\d+\.hotpatch$/.exec(target)?.[1];
