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
