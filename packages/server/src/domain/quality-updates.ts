/**
 * Which quality updates are for which component, looked up by Build-ID and by package.
 *
 * A hotpatch is for the exact Build-ID that it names. A baseline names the Build-IDs that it
 * brings: it concerns whoever runs an older build of the same file of the same package.
 */
import type { CatalogComponent, QualityUpdate } from "@suture/contract";

/** What the verified channel says of an update, without the fleet's numbers. */
export type CatalogUpdate = Omit<QualityUpdate, "devicesConcerned" | "devicesProtected">;

/** What is asked of a component; ComponentFacts has more. */
export type RunningComponent = Pick<CatalogComponent, "file" | "buildId" | "package">;

export interface CatalogIndex {
  readonly byTarget: ReadonlyMap<string, CatalogUpdate>;
  /** Hotpatches for a Build-ID, oldest first; withdrawn ones too. */
  readonly hotpatches: ReadonlyMap<string, readonly CatalogUpdate[]>;
  /** Baselines with a file of a package, oldest first; withdrawn ones too. */
  readonly baselines: ReadonlyMap<string, readonly CatalogUpdate[]>;
}

export const isHotpatch = ({ sequence }: CatalogUpdate): boolean => sequence > 0;

/** Milliseconds since 1970 of the start of a day, UTC. `day` is `2026-10-13`. */
export const momentOfDay = (day: string): number => Date.parse(`${day}T00:00:00Z`);

export function indexCatalog(updates: readonly CatalogUpdate[]): CatalogIndex {
  const ordered = [...updates].sort(byAge);
  const hotpatches = new Map<string, CatalogUpdate[]>();
  const baselines = new Map<string, CatalogUpdate[]>();
  for (const update of ordered) {
    for (const component of update.components) {
      if (isHotpatch(update)) append(hotpatches, component.buildId, update);
      else append(baselines, lineageOf(component), update);
    }
  }
  const byTarget = new Map(ordered.map((update) => [update.target, update]));
  return { byTarget, hotpatches, baselines };
}

/** By day, then by baseline, then by sequence: a later hotpatch of one day is the newer one. */
const byAge = (a: CatalogUpdate, b: CatalogUpdate): number =>
  compareTexts(a.released, b.released) ||
  compareTexts(a.baseline, b.baseline) ||
  a.sequence - b.sequence;

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function append<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else if (list.at(-1) !== value) list.push(value);
}

/** Builds of one file of one package follow each other. The folder does not matter. */
const lineageOf = ({ file, package: name }: RunningComponent): string =>
  `${name ?? ""}/${file.slice(file.lastIndexOf("/") + 1)}`;

export interface ComponentUpdates {
  /** The newest baseline that brought this build, if the channel has one. */
  readonly baseline: CatalogUpdate | undefined;
  /** Baselines after it that bring another build, oldest first, without withdrawn ones. */
  readonly newerBaselines: readonly CatalogUpdate[];
  /** All for this build, oldest first; withdrawn ones too. */
  readonly hotpatches: readonly CatalogUpdate[];
}

/**
 * What the channel has for a component.
 *
 * A build that no baseline names but a hotpatch does is taken to be as old as its hotpatch's
 * baseline. Of a build that the channel does not know at all nothing can be said: it has no
 * updates, not even newer baselines.
 */
export function updatesFor(index: CatalogIndex, component: RunningComponent): ComponentUpdates {
  const hotpatches = index.hotpatches.get(component.buildId) ?? [];
  const baselines = index.baselines.get(lineageOf(component)) ?? [];
  const brings = (update: CatalogUpdate): boolean =>
    update.components.some(({ buildId }) => buildId === component.buildId);
  const baseline = baselines.findLast(brings);
  const own = baseline?.baseline ?? hotpatches.at(-1)?.baseline;
  if (own === undefined) return { baseline, newerBaselines: [], hotpatches };
  const place = baselines.findLastIndex((update) => update === baseline || update.baseline === own);
  const newerBaselines = baselines
    .slice(place + 1)
    .filter((update) => update.withdrawn === undefined && !brings(update));
  return { baseline, newerBaselines: place < 0 ? [] : newerBaselines, hotpatches };
}

/** Whether the update is for one of the components, or was and is in place already. */
export function concerns(update: CatalogUpdate, components: readonly RunningComponent[]): boolean {
  const buildIds = new Set(update.components.map(({ buildId }) => buildId));
  const lineages = new Set(isHotpatch(update) ? [] : update.components.map(lineageOf));
  return components.some(
    (component) => buildIds.has(component.buildId) || lineages.has(lineageOf(component)),
  );
}
