export { buildHotpatch } from "./build-hotpatch.ts";
export {
  BUILD_REFUSALS,
  type BuildRefusal,
  type BuildRefusalCode,
  isBuildRefusal,
  type RefusalItem,
} from "./refusals.ts";
export type {
  ArchiveOptions,
  BuildRequest,
  BuildResult,
  BuiltHotpatch,
  DebRequest,
  Progress,
  TreeRequest,
} from "./request.ts";
