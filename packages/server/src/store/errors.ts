/** What can go wrong with the store itself. */
export const STORE_PROBLEMS = {
  "newer-tables": "start the newer version of the server, or restore a backup",
  "folder-in-use": "end the other server that uses this data folder",
} as const;
export type StoreProblem = keyof typeof STORE_PROBLEMS;

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreProblem;
  readonly next: string;

  constructor(code: StoreProblem, detail: string) {
    super(detail);
    this.code = code;
    this.next = STORE_PROBLEMS[code];
  }
}
