/** The engine's names that the builder uses. */
export { type FileAddr, fileAddr, formatAddress } from "../../engine/src/bytes/address.ts";
export { FormatError } from "../../engine/src/bytes/format-error.ts";
export {
  type DiffRefusal,
  diffObjects,
  type ObjectDiff,
} from "../../engine/src/diff/diff.ts";
export {
  createMatcher,
  type FunctionMatch,
  isMismatch,
  type MatchFact,
  type Mismatch,
  type ObjectMatcher,
} from "../../engine/src/diff/match.ts";
export {
  type ExternalSymbol,
  type HotpatchObject,
  writeHotpatch,
} from "../../engine/src/diff/write.ts";
export { ET, SHF, SHN, SHT, STB, STT } from "../../engine/src/elf/constants.ts";
export { parseDynamic } from "../../engine/src/elf/dynamic.ts";
export {
  addressBytes,
  type ElfFile,
  parseElf,
  sectionByName,
  sectionBytes,
} from "../../engine/src/elf/file.ts";
export { buildId } from "../../engine/src/elf/note.ts";
export {
  dynamicSymbols,
  type ElfSymbol,
  symbolTable,
} from "../../engine/src/elf/symbol.ts";
export { writeRelocatable } from "../../engine/src/elf/write.ts";
export {
  type FunctionPart,
  PATCH_SECTION,
  type PatchDescription,
  type ReplacedFunction,
  type SymbolReference,
} from "../../engine/src/livepatch/patch-description.ts";
export { DIGEST_SECTION, DIGEST_SIZE, sealHotpatch } from "../../engine/src/livepatch/seal.ts";
