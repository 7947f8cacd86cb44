/** What debug information adds to a diff: changes of types and signatures that code does not show. */
import { type DebugInfo, parseDebugInfo } from "../dwarf/debug-info.ts";
import { checkLayouts } from "./check-layouts.ts";
import type { Correlation, Twins } from "./correlate.ts";
import type { Entity, ObjectModel } from "./object-model.ts";
import type { DiffRefusal } from "./refusal.ts";
import { type ChangedSignature, findChangedSignatures } from "./signatures.ts";
import { addressTaken, findSourceFunctions } from "./source-functions.ts";

export interface DebugRequest {
  readonly before: ObjectModel;
  readonly after: ObjectModel;
  readonly correlation: Correlation;
  readonly changed: readonly Twins[];
}

/** Compares the types and signatures of two objects. `changed` must be complete. */
export function checkTypes(request: DebugRequest): DiffRefusal[] {
  const { before, after, changed } = request;
  const infoBefore = parseDebugInfo(before.elf);
  const infoAfter = parseDebugInfo(after.elf);
  if (changed.length > 0 && (isEmpty(infoBefore) || isEmpty(infoAfter))) return [NO_INFORMATION];
  const { stays, staysAfter } = stayingFunctions(request);
  const layouts = checkLayouts({
    before: { info: infoBefore, functions: findSourceFunctions(infoBefore, before, stays) },
    after: { info: infoAfter, functions: findSourceFunctions(infoAfter, after, staysAfter) },
  });
  const signatures = findChangedSignatures({
    before: infoBefore,
    after: infoAfter,
    changed,
    addressTaken: addressTaken(before),
  });
  return [...layouts, ...signatures.map(signatureRefusal)];
}

const isEmpty = ({ units }: DebugInfo): boolean => units.length === 0;

const NO_INFORMATION: DiffRefusal = {
  code: "no-debug-information",
  name: ".debug_info",
  detail: "whether types change cannot be seen; compile the unit with -g",
};

/** Functions whose code before the fix goes on running: those that have an unchanged twin. */
function stayingFunctions({ correlation, changed }: DebugRequest): {
  readonly stays: (entity: Entity) => boolean;
  readonly staysAfter: (entity: Entity) => boolean;
} {
  const before = new Set(changed.map((twins) => twins.before.index));
  const after = new Set(changed.map((twins) => twins.after.index));
  return {
    stays: (entity) =>
      !before.has(entity.index) && (entity.global || correlation.twinsOfBefore(entity).length > 0),
    staysAfter: (entity) => !after.has(entity.index) && correlation.twinsOfAfter(entity).length > 0,
  };
}

const signatureRefusal = ({ name, isGlobal, before, after }: ChangedSignature): DiffRefusal => ({
  code: "changed-signature",
  name,
  detail: `${before} before and ${after} after, while ${
    isGlobal ? "callers in other units or modules" : "callers through a pointer to it"
  } pass what the old one took`,
});
