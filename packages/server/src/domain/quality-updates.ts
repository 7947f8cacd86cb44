/**
 * Which quality updates are for which component.
 *
 * A hotpatch is for the exact Build-ID that it names. A baseline names the Build-IDs that it
 * brings: it concerns whoever runs another build of a file of this name that the channel knows, of
 * an older baseline of the same product. Of a build that the channel does not know nothing is said:
 * it may be newer than all baselines, or another vendor's.
 */
import type { CatalogComponent, QualityUpdate } from "@suture/contract";

/** What the verified channel says of an update, without the fleet's numbers. */
export type CatalogUpdate = Omit<QualityUpdate, "devicesConcerned" | "devicesProtected">;

/** What is asked of a component; ComponentFacts has more. */
export interface RunningComponent extends Pick<CatalogComponent, "file" | "buildId"> {
  /** Of the hotpatch in all of its processes. */
  readonly hotpatchSequence?: number;
}

export interface CatalogIndex {
  readonly byTarget: ReadonlyMap<string, CatalogUpdate>;
  /** Hotpatches for a Build-ID, oldest first; withdrawn ones too. */
  readonly hotpatches: ReadonlyMap<string, readonly CatalogUpdate[]>;
  /** Baselines of a product with a file of a name, oldest first; withdrawn ones too. */
  readonly baselines: ReadonlyMap<string, readonly CatalogUpdate[]>;
  /** The product that a Build-ID belongs to; of several, the one of the newest update. */
  readonly products: ReadonlyMap<string, string>;
}

export const isHotpatch = ({ sequence }: CatalogUpdate): boolean => sequence > 0;

/** Milliseconds since 1970 of the start of a day, UTC. `day` is `2026-10-13`. */
export const momentOfDay = (day: string): number => Date.parse(`${day}T00:00:00Z`);

export function indexCatalog(updates: readonly CatalogUpdate[]): CatalogIndex {
  const ordered = [...updates].sort(byAge);
  const hotpatches = new Map<string, CatalogUpdate[]>();
  const baselines = new Map<string, CatalogUpdate[]>();
  const products = new Map<string, string>();
  for (const update of ordered) {
    for (const component of update.components) {
      products.set(component.buildId, update.product);
      if (isHotpatch(update)) append(hotpatches, component.buildId, update);
      else append(baselines, lineageOf(update.product, component), update);
    }
  }
  const byTarget = new Map(ordered.map((update) => [update.target, update]));
  return { byTarget, hotpatches, baselines, products };
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

/** Builds of one file follow each other in a product's baselines. The folder does not matter. */
const lineageOf = (product: string, { file }: RunningComponent): string =>
  `${product}/${file.slice(file.lastIndexOf("/") + 1)}`;

export interface ComponentUpdates {
  /** The newest baseline that brought this build, if the channel has one. */
  readonly baseline: CatalogUpdate | undefined;
  /** Baselines after it that bring another build, oldest first, without withdrawn ones. */
  readonly newerBaselines: readonly CatalogUpdate[];
  /** All for this build, oldest first; withdrawn ones too. */
  readonly hotpatches: readonly CatalogUpdate[];
}

/**
 * What the channel has for a component. A build that no baseline names but a hotpatch does is taken
 * to be as old as its hotpatch's baseline.
 */
export function updatesFor(index: CatalogIndex, component: RunningComponent): ComponentUpdates {
  const product = index.products.get(component.buildId);
  if (product === undefined) return { baseline: undefined, newerBaselines: [], hotpatches: [] };
  const hotpatches = index.hotpatches.get(component.buildId) ?? [];
  const baselines = index.baselines.get(lineageOf(product, component)) ?? [];
  const brings = (update: CatalogUpdate): boolean =>
    update.components.some(({ buildId }) => buildId === component.buildId);
  const baseline = baselines.findLast(brings);
  const own = baseline?.baseline ?? hotpatches.at(-1)?.baseline;
  const place = baselines.findLastIndex((update) => update === baseline || update.baseline === own);
  const newerBaselines = baselines
    .slice(place + 1)
    .filter((update) => update.withdrawn === undefined && !brings(update));
  return { baseline, newerBaselines: place < 0 ? [] : newerBaselines, hotpatches };
}

/**
 * Whether the update is for one of the components, or is in place already. A baseline is for no
 * component of a later one.
 */
export const concerns = (
  index: CatalogIndex,
  { target }: CatalogUpdate,
  components: readonly RunningComponent[],
): boolean =>
  components.some((component) => {
    const { baseline, newerBaselines, hotpatches } = updatesFor(index, component);
    return (
      baseline?.target === target ||
      newerBaselines.some((update) => update.target === target) ||
      hotpatches.some((update) => update.target === target)
    );
  });

/** Whether every component that the hotpatch is for has a newer hotpatch already. */
export function isSuperseded(
  { hotpatches }: CatalogIndex,
  update: CatalogUpdate,
  components: readonly RunningComponent[],
): boolean {
  const own = components.filter(({ buildId }) =>
    update.components.some((component) => component.buildId === buildId),
  );
  const hasNewer = ({ buildId, hotpatchSequence }: RunningComponent): boolean => {
    const list = hotpatches.get(buildId) ?? [];
    const applied = list.findLastIndex(({ sequence }) => sequence === hotpatchSequence);
    return applied > list.findIndex(({ target }) => target === update.target);
  };
  return isHotpatch(update) && own.length > 0 && own.every(hasNewer);
}
