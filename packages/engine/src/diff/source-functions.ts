/**
 * Functions as the source has them, and whether their old code is wholly out of use.
 *
 * One source function can be many pieces of machine code: its own body, clones with fewer
 * parameters, a split-off part, copies in every function that it was inlined into. Debug
 * information tells the copies; the correlation tells which bodies are replaced. Only when every
 * piece is replaced does no old code of the function run any more.
 */
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugInfo } from "../dwarf/debug-info.ts";
import { hotName, sourceName } from "./names.ts";
import { type Entity, entityBytes, entityOf, type ObjectModel } from "./object-model.ts";
import { functionOf, walk } from "./type-roots.ts";
import { nameOf } from "./type-text.ts";

export interface SourceFunctions {
  /** No code of the function in this object is that of a function that stays. */
  readonly isReplaced: (name: string) => boolean;
  /** The function is static, and all that is done with it is to call it. */
  readonly isOnlyCalled: (name: string) => boolean;
}

/** `stays` says of each whole function of the object whether its code goes on running. */
export function findSourceFunctions(
  info: DebugInfo,
  model: ObjectModel,
  stays: (entity: Entity) => boolean,
): SourceFunctions {
  const bodies = new Map<string, Entity[]>();
  for (const entity of model.entities) {
    if (entity.kind !== "function" || hotName(entity.name) !== undefined) continue;
    const names = new Set([entity.name, ...entity.symbols.map(({ name }) => name)].map(sourceName));
    for (const name of names) bodies.set(name, [...(bodies.get(name) ?? []), entity]);
  }
  const hosts = inliningHosts(info);
  const taken = addressTaken(model);

  const isReplaced = (name: string): boolean => {
    const seen = new Set([name]);
    // The set grows while it is gone through: by the functions that hold copies, and theirs.
    for (const at of seen) {
      if ((bodies.get(at) ?? []).some(stays)) return false;
      for (const host of hosts.get(at) ?? []) seen.add(host);
    }
    return true;
  };
  return {
    isReplaced,
    isOnlyCalled: (name) =>
      (bodies.get(name) ?? []).every(({ global, index }) => !global && !taken.has(index)),
  };
}

/** For each function that is inlined, the functions with bodies that hold copies of it. */
function inliningHosts(info: DebugInfo): ReadonlyMap<string, ReadonlySet<string>> {
  const hosts = new Map<string, Set<string>>();
  for (const entry of walk(info)) {
    if (entry.tag !== DW_TAG.DW_TAG_inlined_subroutine) continue;
    const host = functionOf(entry);
    const name = nameOf(entry);
    const hostName = host && nameOf(host);
    if (name === undefined || hostName === undefined) continue;
    const set = hosts.get(name) ?? new Set();
    hosts.set(name, set.add(hostName));
  }
  return hosts;
}

/** Functions to which something else than a call or jump refers, by entity index. */
export function addressTaken(model: ObjectModel): ReadonlySet<number> {
  const taken = new Set<number>();
  for (const from of model.entities) {
    const code = from.kind === "function" ? entityBytes(model, from) : undefined;
    for (const { target, offset } of from.references) {
      if (entityOf(model, target).kind !== "function" || target === from.index) continue;
      if (code === undefined || !isBranchField(code, offset)) taken.add(target);
    }
  }
  return taken;
}

/**
 * Whether the 4 bytes at `offset` are the distance of a call or jump (opcodes E8, E9, 0F 80 to
 * 0F 8F). Before the field of any other instruction that takes a distance stands a ModRM byte
 * with mod 00 and r/m 101, which is none of these.
 */
function isBranchField(code: Uint8Array, offset: number): boolean {
  const opcode = code[offset - 1] ?? 0;
  if (opcode === 0xe8 || opcode === 0xe9) return true;
  return code[offset - 2] === 0x0f && (opcode & 0xf0) === 0x80;
}
