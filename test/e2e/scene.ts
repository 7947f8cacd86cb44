/**
 * What the main job plays with: a server with a known fault, how to start it, how its hotpatch is
 * built, and what shows the fault from outside. redis-scene.ts and line-server-scene.ts make one.
 */
export interface Scene {
  /** Says what runs: name, version, where it came from. */
  readonly title: string;
  /** The arguments of the program; the server listens on the loopback address only. */
  readonly program: string;
  /** The name the program is called by, where one file serves several. */
  readonly calledAs?: string;
  readonly args: (port: number) => readonly string[];
  /** The arguments of `suture build`. */
  readonly build: readonly string[];
  readonly channel: SceneChannel;
  readonly triggers: readonly Trigger[];
}

/** How the scene's hotpatches come into a release channel. */
export interface SceneChannel {
  readonly product: string;
  /** The program as the channel names it. */
  readonly component: {
    readonly file: string;
    readonly package?: string;
    readonly version?: string;
  };
  /** The arguments of `suture release import-debian`; absent where a built file is added. */
  readonly imports?: readonly string[];
  /** The arguments of `suture build` for a hotpatch that has the fix, and leaks memory as well. */
  readonly leaking: readonly string[];
}

/** Something that a client can do from outside, and that shows a fault without harm. */
export interface Trigger {
  /** What the fault is called. */
  readonly name: string;
  /** The fix that removes it, where it has such a number. */
  readonly cve?: string;
  /** The patch of the Debian series that removes it. */
  readonly patch?: string;
  readonly what: string;
  /** Asks the server; gives what it answered in a few words. */
  readonly show: (port: number) => Promise<string>;
  /** The answer of a server with the fault. */
  readonly faulty: string;
  /** What the answer of a server without the fault begins with. */
  readonly fixed: string;
}

/** Where the job may put things, and whom it tells what it does. */
export interface Stage {
  /** Removed at the end. */
  readonly folder: string;
  readonly say: (text: string) => void;
}
