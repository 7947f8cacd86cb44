export { MANIFEST_PROBLEMS, ManifestError, type ManifestProblem } from "./errors.ts";
export {
  type BuiltFrom,
  type Component,
  type Fix,
  FixVerdict,
  type HotpatchManifest,
  MANIFEST_SECTION,
} from "./manifest.ts";
export { parseManifest } from "./manifest-parser.ts";
