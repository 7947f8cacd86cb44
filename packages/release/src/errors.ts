/** Every way in which the bytes of a manifest can be wrong. */
export const MANIFEST_PROBLEMS = {
  "manifest-too-large": "the manifest is larger than any build writes",
  "manifest-not-json": "the manifest is not one JSON object in UTF-8",
  "manifest-field": "a field of the manifest is missing, unknown or not what it must be",
} as const;

export type ManifestProblem = keyof typeof MANIFEST_PROBLEMS;

/** A manifest that cannot be trusted to say what it says. `field` is its path, `""` for the whole. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  readonly code: ManifestProblem;
  readonly field: string;

  constructor(code: ManifestProblem, field: string, found: string) {
    const place = field === "" ? "manifest" : `manifest field ${field}`;
    super(`${place}: ${MANIFEST_PROBLEMS[code]} (${found})`);
    this.code = code;
    this.field = field;
  }
}

interface ReleaseProblemRow {
  readonly meaning: string;
  /** What whoever sees it does now. */
  readonly next: string;
  /** How a request ends: `refused` where nothing is broken but the request or its moment. */
  readonly outcome: "failed" | "refused";
}

const row = (
  outcome: ReleaseProblemRow["outcome"],
  meaning: string,
  next: string,
): ReleaseProblemRow => ({ outcome, meaning, next });

const askPublisher = "trust nothing from this channel until its publisher has explained it";
const otherMirror = "try again, or fetch from another copy of the channel";

/** Every reason for which a release channel is not believed, or a request to change one refused. */
export const RELEASE_PROBLEMS = {
  "metadata-too-large": row("failed", "a metadata file is longer than it may be", otherMirror),
  "metadata-not-json": row("failed", "a metadata file is not one JSON object", otherMirror),
  "metadata-field": row(
    "failed",
    "a field of the metadata is missing, unknown or not what it must be",
    askPublisher,
  ),
  "too-few-signatures": row(
    "refused",
    "fewer keys than the threshold have signed it",
    "let the missing signers sign, or trust nothing that came with it",
  ),
  "wrong-version": row(
    "failed",
    "its version is below one already trusted, or is not the one that was signed for",
    otherMirror,
  ),
  expired: row(
    "refused",
    "it was signed for a time that is over",
    "compare the clock; then fetch from another copy, or ask the publisher to sign anew",
  ),
  "wrong-content": row("failed", "its length or digest is not the one signed for it", otherMirror),
  "file-missing": row("failed", "the channel lacks a file that it signed for", otherMirror),
  unreachable: row("failed", "the channel cannot be read", otherMirror),
  "outside-delegation": row(
    "failed",
    "a product signed a target that is not its own",
    askPublisher,
  ),
  "target-unknown": row("refused", "the channel has no such target", "look at the catalog"),
  "target-withdrawn": row(
    "refused",
    "the publisher has withdrawn the target",
    "take a newer one, or the traditional update",
  ),
  "repository-exists": row(
    "refused",
    "there is a repository already",
    "choose an empty folder; change this one with: suture release add",
  ),
  "repository-missing": row(
    "refused",
    "there is no repository here",
    "make one with: suture release init",
  ),
  "repository-busy": row(
    "refused",
    "another command is changing it",
    "wait until it has ended; remove the lock by hand only if it ran elsewhere and is gone",
  ),
  "repository-damaged": row(
    "failed",
    "the repository's own files do not fit together",
    "look with: suture release verify; then restore the folder from a copy",
  ),
  "product-missing": row(
    "refused",
    "the channel has no such product",
    "make it with: suture release add product",
  ),
  "wrong-request": row("refused", "the request contradicts itself or the repository", "mend it"),
  "target-exists": row(
    "refused",
    "the repository has a target of that name",
    "a fix of a published hotpatch is a new one with a higher sequence",
  ),
  "key-not-listed": row(
    "refused",
    "nothing that waits for signatures lists this key",
    "see who signs what: suture release keys",
  ),
  "keys-not-apart": row(
    "refused",
    "a key of root, targets or a product may not be an online key of snapshot or timestamp",
    "make a key of its own with: suture release keys new",
  ),
  "key-file": row("refused", "the key file is not what it must be", "restore it from a copy"),
  "key-file-access": row(
    "refused",
    "the key file or passphrase file is open to others, or is not yours",
    "chown it to yourself and chmod 600 it",
  ),
  "wrong-passphrase": row(
    "refused",
    "the passphrase does not open the key file, or the file was changed",
    "try again with its passphrase",
  ),
} as const;

export type ReleaseProblem = keyof typeof RELEASE_PROBLEMS;

/** Why a channel, a file of it or a request was not accepted. `subject` is the file or field. */
export class ReleaseError extends Error {
  override readonly name = "ReleaseError";
  readonly code: ReleaseProblem;
  readonly subject: string;
  readonly found: string;

  constructor(code: ReleaseProblem, subject: string, found: string, options?: ErrorOptions) {
    super(`${subject}: ${RELEASE_PROBLEMS[code].meaning} (${found})`, options);
    this.code = code;
    this.subject = subject;
    this.found = found;
  }
}

/** What a publisher gives is read as strictly as what a client fetches, but it is a request. */
export function asRequest<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ReleaseError) || error.code !== "metadata-field") throw error;
    throw new ReleaseError("wrong-request", error.subject, error.found, { cause: error });
  }
}
