/** The files of a repository as publishers see them: a folder, or whatever holds such files. */
export interface RepositoryFiles {
  /** `undefined` where there is no such file. Paths are relative, with `/`. */
  readonly read: (path: string) => Promise<Uint8Array | undefined>;
  /** Atomic and durable: readers see the old content or the new, after a crash too. */
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>;
  readonly remove: (path: string) => Promise<void>;
  /** The paths of all files below a folder; none where there is no folder. */
  readonly list: (folder: string) => Promise<string[]>;
}
