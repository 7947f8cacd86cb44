export * from "./bytes/address.ts";
export { FormatError } from "./bytes/format-error.ts";
export { type FunctionRange, functionRanges } from "./dwarf/unwind-tables.ts";
export { readSection } from "./elf/compression.ts";
export * from "./elf/constants.ts";
export { checkDebugFile, type DebugFileMismatch, debugFileCandidates } from "./elf/debug-file.ts";
export { parseDynamic } from "./elf/dynamic.ts";
export { dynamicSymbols } from "./elf/dynamic-symbol.ts";
export {
  addressBytes,
  type ElfFile,
  parseElf,
  type Section,
  sectionByName,
  sectionBytes,
} from "./elf/file.ts";
export { buildId } from "./elf/note.ts";
export { parseRelocations, R_X86_64, relocationsOf } from "./elf/relocation.ts";
export { type ElfSymbol, symbolTable } from "./elf/symbol.ts";
export { type RelocatableObject, writeRelocatable } from "./elf/write.ts";
export * from "./livepatch/engine.ts";
export { planEntryJump } from "./livepatch/entry-jump.ts";
export { type Hotpatch, parseHotpatch } from "./livepatch/hotpatch.ts";
export * from "./livepatch/patch-description.ts";
export { DIGEST_SECTION, DIGEST_SIZE, sealHotpatch } from "./livepatch/seal.ts";
export type { AppliedHotpatch } from "./livepatch/status.ts";
export { openPeerCredentials, type PeerCredentials } from "./process/libc.ts";
export { isRefusal, REFUSALS, type Refusal, type RefusalReason } from "./refusals.ts";
