export type { Catalog, CatalogProduct, QualityUpdate } from "./client/catalog.ts";
export {
  type ClientStorage,
  type Fetch,
  openReleaseClient,
  type ReleaseClient,
  type ReleaseClientOptions,
} from "./client/client.ts";
export {
  MANIFEST_PROBLEMS,
  ManifestError,
  type ManifestProblem,
  RELEASE_PROBLEMS,
  ReleaseError,
  type ReleaseProblem,
} from "./errors.ts";
export { folderFetch, folderFiles, folderStorage } from "./files/folder.ts";
export {
  type HttpAnswer,
  type HttpFetchOptions,
  type HttpRequest,
  httpFetch,
} from "./files/http-fetch.ts";
export { mirroringFetch } from "./files/mirror.ts";
export type { RepositoryFiles } from "./files/repository-files.ts";
export { type LockRequest, withRepositoryLock } from "./files/repository-lock.ts";
export {
  createKeyFile,
  type KeyFile,
  keyFileBytesMax,
  type NewKey,
  openKey,
  parseKeyFile,
  parsePublicKeyFile,
  publicKeyFile,
} from "./keys/key-file.ts";
export { readSecretFile, writeSecretFile } from "./keys/secret-file.ts";
export { CLIENT_LIMITS, type ClientLimits, EXPIRY_DAYS } from "./limits.ts";
export {
  type BuiltFrom,
  type Component,
  type Fix,
  FixVerdict,
  type HotpatchManifest,
  MANIFEST_SECTION,
} from "./manifest.ts";
export { parseManifest } from "./manifest-parser.ts";
export {
  type Calendar,
  type CalendarEntry,
  DEFAULT_CALENDAR,
  type PlannedRelease,
  parseCalendar,
  plannedReleases,
} from "./metadata/calendar.ts";
export { keyIdOf, type SigningKey } from "./metadata/canonical.ts";
export { type PublicKey, type Role, TopRole } from "./metadata/metadata.ts";
export { parsePublicKey } from "./metadata/parse-metadata.ts";
export {
  type LeftOut,
  parseUpdateEntry,
  Severity,
  targetOf,
  type UpdateEntry,
  UpdateKind,
  type Withdrawal,
} from "./metadata/update-entry.ts";
export {
  type AddRequest,
  addProduct,
  addTarget,
  readCalendar,
  renewMetadata,
  setCalendar,
  supersededBy,
  withdraw,
} from "./publish/add.ts";
export { changesOf, type StagedChange } from "./publish/changes.ts";
export { type CreateRequest, createRepository, type Signers } from "./publish/create.ts";
export {
  checkManifest,
  type HotpatchEntryRequest,
  hotpatchEntryOf,
} from "./publish/hotpatch-entry.ts";
export {
  checkImport,
  type ImportedFix,
  type ImportedHotpatch,
  type ImportedPackage,
  type ImportedTarget,
  type ImportRequest,
  type ImportResult,
  nextSequence,
  stageImport,
} from "./publish/import.ts";
export { type Publication, type PublishRequest, publish } from "./publish/publish.ts";
export { type Repository, readRepository } from "./publish/repository.ts";
export {
  type SignRequest,
  signersOf,
  signMetadata,
  type Waiting,
  waitingFor,
} from "./publish/sign.ts";
export {
  type RoleSigners,
  rolesOf,
  type SetSignersRequest,
  setSigners,
} from "./publish/signers.ts";
export {
  type RepositoryReport,
  type VerifyFinding,
  type VerifyRequest,
  verifyRepository,
} from "./publish/verify.ts";
