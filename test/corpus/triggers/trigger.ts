/** What a trigger is, and where it runs. */
import type { Subject } from "./behaviour.ts";

/** Where a row's trigger finds its program or library. */
export interface Place {
  /** The program or library as it is before the fix. */
  readonly file: string;
  /** The built tree that it comes from. */
  readonly root: string;
  /** Folders of the libraries that it needs. */
  readonly libraryPath: readonly string[];
  /** For files of the trigger's own; it is removed afterwards. */
  readonly folder: string;
}

export interface Trigger {
  readonly package: string;
  /** The row's first patch. */
  readonly patch: string;
  /** How the file name of the program or library begins. */
  readonly binary: string;
  /** Starts a process that can be asked; throws an Error where that fails. */
  readonly start: (place: Place) => Promise<Subject>;
}
