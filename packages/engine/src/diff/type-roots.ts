/**
 * The types and variables of an object that have an identity, by a name that two objects share.
 *
 * A tag alone does not tell a type: functions may have a `struct state` each, and the same
 * typedef may stand in two blocks. So the name is a path: the functions, classes and namespaces
 * around it, then the tag or the typedef. Types of the same path (in blocks of one function, in
 * the copies of an inlined function, in several type units) form a list.
 */
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry, DebugInfo } from "../dwarf/debug-info.ts";
import { TYPE_DEPTH_MAX } from "./limits.ts";
import { coreType, isAggregate, isComplete, nameOf, plainTypeText, typeOf } from "./type-text.ts";

export interface TypeRoot {
  /** As people read it: `struct node`, `server_t`, `variable state of parse`. */
  readonly text: string;
  readonly type: DebugEntry;
}

export interface TypeRoots {
  /** Complete structs, unions and classes by path; a typedef of one is another path to it. */
  readonly aggregates: ReadonlyMap<string, readonly TypeRoot[]>;
  /** Variables that outlive calls and can be written, by path: compare.ts looks at constants. */
  readonly variables: ReadonlyMap<string, readonly TypeRoot[]>;
  /** Enumerations by the path of what is around them: their enumerators are names there. */
  readonly enumerations: ReadonlyMap<string, readonly DebugEntry[]>;
}

/** Collects what can be compared of an object's debug information. */
export function collectTypeRoots(info: DebugInfo): TypeRoots {
  const aggregates = new Map<string, TypeRoot[]>();
  const variables = new Map<string, TypeRoot[]>();
  const enumerations = new Map<string, DebugEntry[]>();
  for (const entry of walk(info)) {
    const scope = (): string => scopeOf(entry);
    const name = nameOf(entry);
    if (isAggregate(entry) && name !== undefined && isComplete(entry)) {
      add(aggregates, `${scope()}${name}`, { text: plainTypeText(entry), type: entry });
    } else if (entry.tag === DW_TAG.DW_TAG_typedef && name !== undefined) {
      const { core } = coreType(entry);
      const whole = core !== undefined && isAggregate(core) && isComplete(core);
      if (!whole) continue;
      const text = nameOf(core) === undefined ? name : plainTypeText(core);
      add(aggregates, `${scope()}typedef ${name}`, { text, type: core });
    } else if (entry.tag === DW_TAG.DW_TAG_enumeration_type && isComplete(entry)) {
      add(enumerations, scope(), entry);
    } else if (isLastingVariable(entry) && name !== undefined) {
      const type = typeOf(entry);
      if (type === undefined || isConstant(type)) continue;
      add(variables, `${scope()}${name}`, { text: variableText(entry, name), type });
    }
  }
  return { aggregates, variables, enumerations };
}

/** Whether a variable of the type, or each element of an array, is const. */
function isConstant(type: DebugEntry): boolean {
  let at: DebugEntry | undefined = type;
  for (let depth = 0; at !== undefined && depth < TYPE_DEPTH_MAX; depth++) {
    if (at.tag === DW_TAG.DW_TAG_const_type) return true;
    if (at.tag !== DW_TAG.DW_TAG_typedef && at.tag !== DW_TAG.DW_TAG_array_type) return false;
    at = at.type;
  }
  return false;
}

/** All entries, outer ones first. */
export function* walk({ units }: DebugInfo): Generator<DebugEntry> {
  const work = [...units].reverse();
  for (let entry = work.pop(); entry !== undefined; entry = work.pop()) {
    yield entry;
    for (let index = entry.children.length - 1; index >= 0; index--) {
      const child = entry.children[index];
      if (child !== undefined) work.push(child);
    }
  }
}

/** True for variables of files, and for those of functions that keep their value. */
export const isLastingVariable = (entry: DebugEntry): boolean =>
  entry.tag === DW_TAG.DW_TAG_variable &&
  (entry.hasStaticPlace || functionOf(entry) === undefined || entry.declaration);

/** The function that an entry is in: the innermost with code or name of its own. */
export function functionOf(entry: DebugEntry): DebugEntry | undefined {
  let at = entry.parent;
  while (at !== undefined && at.tag !== DW_TAG.DW_TAG_subprogram) at = at.parent;
  return at;
}

/** The innermost function around an entry as the source has it: of inlined code the inlined. */
export function sourceFunctionOf(entry: DebugEntry): DebugEntry | undefined {
  let at = entry.parent;
  while (at !== undefined && !isFunctionLike(at)) at = at.parent;
  return at;
}

const isFunctionLike = ({ tag }: DebugEntry): boolean =>
  tag === DW_TAG.DW_TAG_subprogram || tag === DW_TAG.DW_TAG_inlined_subroutine;

/** The names around an entry, each with two colons behind it. */
function scopeOf(entry: DebugEntry): string {
  const names: string[] = [];
  for (let at = entry.parent; at !== undefined; at = at.parent) {
    if (isFunctionLike(at)) {
      // Outside of an inlined function stands its host, which is no part of the name.
      names.unshift(`${nameOf(at) ?? ""}()::`);
      break;
    }
    if (at.parent !== undefined) names.unshift(`${nameOf(at) ?? ""}::`);
  }
  return names.join("");
}

function variableText(entry: DebugEntry, name: string): string {
  const around = sourceFunctionOf(entry);
  const owner = around === undefined ? undefined : nameOf(around);
  return owner === undefined ? `variable ${name}` : `variable ${name} of ${owner}`;
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
