/** What a build is asked for and what it gives. */
import type { Component, HotpatchManifest } from "@suture/release";
import type { PatchDescription } from "./engine.ts";
import type { FixReport } from "./fix-report.ts";
import type { BuildRefusal } from "./refusals.ts";

export type BuildRequest = TreeRequest | DebRequest;

interface CommonRequest {
  /** Where sources, builds and downloads are kept; made when missing. */
  readonly cacheFolder: string;
  /** The environment of the programs that the build runs: PATH and the like. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Orders the hotpatches of one baseline, from 1 (the default). */
  readonly sequence?: number;
}

/** A source tree of one's own, a fix for it, and the program that was built from it. */
export interface TreeRequest extends CommonRequest {
  readonly kind: "tree";
  /** The source from before the fix, with what its build made. */
  readonly source: string;
  /** A unified diff that `patch -p1` applies in `source`. */
  readonly patch: string;
  /** One of the two must be there; the command is run in `source` and must compile everything. */
  readonly compileCommands?: string;
  readonly buildCommand?: readonly string[];
  /** The program or library that runs, stripped or not. */
  readonly binary: string;
  /** Its separate debug file, where it is not at one of the usual places. */
  readonly debugFile?: string;
  /** Folders with debug files of installed programs; /usr/lib/debug unless given. */
  readonly debugFolders?: readonly string[];
  readonly version?: string;
}

/** Two versions of a distribution's package, or one version and a fix for it. */
export interface DebRequest extends CommonRequest {
  readonly kind: "deb";
  /** A source package, or a binary package of it. */
  readonly package: string;
  /** A version, `installed`, or `oldest`: the oldest that the archive has. */
  readonly from: string;
  /** A version or `newest` (the default); left out where the fix is given as patches. */
  readonly to?: string;
  /**
   * Patch files that are applied, in this order, to the source of `from`; or to that of `to` or
   * with the patches of `withoutPatches`, where there is one, so that the hotpatch has both.
   */
  readonly patches?: readonly string[];
  /**
   * Patches of the series of `from` by name: the hotpatch is for that version as it is without
   * them, rebuilt here (`binary` of the result is the program), and they are the fix. For
   * archives that serve one version only, and for measuring.
   */
  readonly withoutPatches?: readonly string[];
  /**
   * The program or library: a path in the package or its last part; all that the fixes concern
   * unless given.
   */
  readonly binary?: string;
  readonly archive?: ArchiveOptions;
  /** The sequence of the hotpatch for a Build-ID, where it is not the same for all. */
  readonly sequenceOf?: (buildId: string) => number;
}

export interface ArchiveOptions {
  /** Folder or file with apt sources instead of /etc/apt. */
  readonly sources?: string;
  /** Fetch the archive's lists again although they are fresh. */
  readonly refresh?: boolean;
}

/** Called at the start of each step with a sentence without a full stop. */
export type Progress = (step: string) => void;

/** A hotpatch file for one program or library. */
export interface BuiltHotpatch {
  /** The hotpatch file. */
  readonly bytes: Uint8Array;
  readonly description: PatchDescription;
  readonly manifest: HotpatchManifest;
  /** The program or library it was built for: a path on this machine, to try it on. */
  readonly binary: string;
  /** The same as its package names it, or as the request does. */
  readonly file: string;
}

/** What runs, of a package whose source and binaries were found to belong together. */
export interface ServedPackage {
  /** The source package and its version. */
  readonly name: string;
  readonly version: string;
  /** The version that has the fixes, or their patches' names. */
  readonly fixedBy: string;
  /** Every program and library that ships in it, or the one that was asked for. */
  readonly components: readonly Component[];
}

/** What came of a build: at least one hotpatch, and what became of every fix. */
export interface BuildOutcome {
  /** One for each program and library that a fix concerns; those that services start come first. */
  readonly hotpatches: readonly [BuiltHotpatch, ...BuiltHotpatch[]];
  readonly fixes: readonly FixReport[];
  /** What the author should know: files whose change the comparison does not see, and the like. */
  readonly notes: readonly string[];
  /** Present where the request was for a package. */
  readonly package?: ServedPackage;
}

/** No hotpatch: why, and what became of every fix where it was found out. */
export interface RefusedBuild extends BuildRefusal {
  readonly fixes?: readonly FixReport[];
  /** Present where the request was for a package, and got as far as comparing functions. */
  readonly package?: ServedPackage;
}

export type BuildResult = BuildOutcome | RefusedBuild;
