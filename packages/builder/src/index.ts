export { buildHotpatch } from "./build-hotpatch.ts";
export { compareVersions } from "./deb/version.ts";
export type { FixInBinary, FixReport, Obstacle } from "./fix-report.ts";
export { LEFT_OUT } from "./fix-report.ts";
export {
  BUILD_REFUSALS,
  type BuildRefusal,
  type BuildRefusalCode,
  isBuildRefusal,
  type RefusalItem,
} from "./refusals.ts";
export type {
  ArchiveOptions,
  BuildOutcome,
  BuildRequest,
  BuildResult,
  BuiltHotpatch,
  DebRequest,
  Progress,
  RefusedBuild,
  ServedPackage,
  TreeRequest,
} from "./request.ts";
export { isSameHotpatch } from "./same-hotpatch.ts";
export { VERIFY_PROBLEMS, type VerifyProblem, type VerifyProblemCode } from "./verify/problems.ts";
export type {
  VerifiedFunction,
  VerifyReport,
  VerifyRequest,
  VerifyStep,
  VerifyStepName,
} from "./verify/request.ts";
export { verifyHotpatch } from "./verify/verify-hotpatch.ts";
