/**
 * What a hotpatch takes along of the object after, starting from the changed functions.
 *
 * New functions and variables come along when included code refers to them. Nameless constants
 * always do: a copy is as good as the original. Static constants stay where they are, so that
 * pointers to them still compare equal, unless their content changed, or they hold addresses
 * inside a function that is included (the label table of a computed goto), which has a new place.
 */
import { type Comparison, isAnonymous, isStaticConstant } from "./compare.ts";
import { type Correlation, partsOf } from "./correlate.ts";
import { type FrameTable, PC_BEGIN } from "./frames.ts";
import { type Entity, entityOf, type ObjectModel, resolveReference } from "./object-model.ts";

export interface IncludeRequest {
  readonly after: ObjectModel;
  readonly correlation: Correlation;
  readonly comparison: Comparison;
  readonly frames: FrameTable;
  /** Functions and variables of the object after to start from. */
  readonly roots: readonly Entity[];
}

/** The entities that go into the hotpatch, by index in the model after. */
export function includeEntities(request: IncludeRequest): ReadonlySet<number> {
  const { after, roots } = request;
  const included = new Set<number>();
  const work = [...roots];
  for (let entity = work.pop(); entity !== undefined; entity = work.pop()) {
    if (included.has(entity.index)) continue;
    included.add(entity.index);
    if (entity.kind === "function") work.push(...partsOf(after, entity));
    for (const target of targetsOf(request, entity)) {
      if (!included.has(target.index) && mustCome(request, target, included)) work.push(target);
    }
  }
  return included;
}

function targetsOf({ after, frames }: IncludeRequest, entity: Entity): Entity[] {
  const inFrames = (frames.get(entity.index) ?? []).flatMap(({ fde }) =>
    fde.relocations
      .filter(({ r_offset }) => r_offset !== PC_BEGIN)
      .map((it) => resolveReference(after, it.symbolIndex, it.r_addend)),
  );
  return [...entity.references, ...inFrames].map(({ target }) => entityOf(after, target));
}

function mustCome(
  { after, correlation, comparison }: IncludeRequest,
  target: Entity,
  included: ReadonlySet<number>,
): boolean {
  if (target.kind === "external" || target.kind === "code" || target.kind === "data") return false;
  if (isAnonymous(target)) return true;
  const twins = correlation.twinsOfAfter(target);
  if (twins.length === 0) return true;
  if (!isStaticConstant(target)) return false;
  return (
    !twins.every((twin) => comparison.sameContent(twin, target) && isAligned(twin, target)) ||
    target.references.some((reference) => {
      const { kind } = entityOf(after, reference.target);
      return kind === "function" && reference.addend !== 0 && included.has(reference.target);
    })
  );
}

/** New code may load the constant with an instruction that wants its alignment. */
const isAligned = (twin: Entity, target: Entity): boolean =>
  (twin.section?.sh_addralign ?? 1) >= (target.section?.sh_addralign ?? 1);
