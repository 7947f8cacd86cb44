/**
 * Changed signatures of functions whose callers stay.
 *
 * The problem. A fix gives a function one more parameter:
 *
 *     int copy(char *to, const char *from);              before
 *     int copy(char *to, const char *from, size_t max);  after
 *
 * Callers in the same unit are compiled with the new signature in view: their code changes, and
 * they are replaced together with the function; or their code is the same on both sides, and then
 * they already pass what the new function takes. Callers that were not compiled again pass two
 * arguments, and the new code takes whatever is left in rdx for `max`.
 *
 * Approach. Debug information tells the signatures of both sides. They are compared by what a
 * call passes and returns, so `char *` -> `const char *` and int -> unsigned are no changes. Who
 * may call without being seen here?
 *
 * - of a static function nobody, unless its address stands somewhere: then calls go through
 *   pointers that live data holds;
 * - of a global function any other unit, and any other module where it is exported. One unit
 *   cannot tell; whoever has all units may know that there is no such caller, and then takes
 *   this refusal back (`isGlobal`).
 */
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry, DebugInfo } from "../dwarf/debug-info.ts";
import { createTypeComparison } from "./compare-types.ts";
import type { Twins } from "./correlate.ts";
import { sourceName } from "./names.ts";
import { walk } from "./type-roots.ts";
import { nameOf, parametersOf, signatureText } from "./type-text.ts";

export interface ChangedSignature {
  readonly name: string;
  /** Seen by other units: callers may be there. */
  readonly isGlobal: boolean;
  /** As C writes them: `int (char *, const char *)`. */
  readonly before: string;
  readonly after: string;
}

/** The changed functions that may have callers which stay and know the old signature. */
export function findChangedSignatures(request: {
  readonly before: DebugInfo;
  readonly after: DebugInfo;
  readonly changed: readonly Twins[];
  /** Functions of the object before to which something else than a call refers, by index. */
  readonly addressTaken: ReadonlySet<number>;
}): readonly ChangedSignature[] {
  const { changed, addressTaken } = request;
  if (changed.length === 0) return [];
  const old = signaturesOf(request.before);
  const young = signaturesOf(request.after);
  const comparison = createTypeComparison();
  return changed.flatMap(({ before, after }): readonly ChangedSignature[] => {
    const isGlobal = before.global;
    if (!isGlobal && !addressTaken.has(before.index)) return [];
    const one = old.get(sourceName(before.name));
    const other = young.get(sourceName(after.name));
    if (one === undefined || other === undefined || comparison.sameSignature(one, other)) return [];
    return [
      {
        name: before.name,
        isGlobal,
        before: signatureText(one),
        after: signatureText(other),
      },
    ];
  });
}

/** Defined functions by name; of several entries for one the one that lists the parameters. */
function signaturesOf(info: DebugInfo): ReadonlyMap<string, DebugEntry> {
  const signatures = new Map<string, DebugEntry>();
  for (const entry of walk(info)) {
    if (entry.tag !== DW_TAG.DW_TAG_subprogram || entry.declaration) continue;
    const name = nameOf(entry);
    // The body of a function that is also inlined points to the entry with the parameters' types.
    const whole = entry.origin?.tag === DW_TAG.DW_TAG_subprogram ? entry.origin : entry;
    const known = name === undefined ? undefined : signatures.get(name);
    if (name === undefined) continue;
    if (known === undefined || parametersOf(whole).length > parametersOf(known).length) {
      signatures.set(name, whole);
    }
  }
  return signatures;
}
