/**
 * The differ and what decodes code, for the builder (`@suture/engine/differ`). Apart from the rest,
 * for the decoder takes 9 MiB, and whoever only patches processes never needs it.
 */
export { type CodeInstruction, decodeCode } from "./diff/code.ts";
export {
  type ChangedFunction,
  type DiffRefusal,
  diffObjects,
  type ObjectDiff,
} from "./diff/diff.ts";
export {
  createMatcher,
  type FunctionMatch,
  isMismatch,
  type MatchFact,
  type Mismatch,
  matchFunction,
  type ObjectMatcher,
} from "./diff/match.ts";
export {
  type ExternalSymbol,
  type HotpatchFunction,
  type HotpatchObject,
  type HotpatchUnit,
  writeHotpatch,
} from "./diff/write.ts";
