/**
 * The manifest of a hotpatch: what people, policies and the release channel must know of it.
 *
 * It stands as JSON in the section `.suture.manifest` of the hotpatch file, beside the
 * `.suture.patch` section that the engine needs. docs/patch-format.md describes both.
 */

/** The section of a hotpatch file that holds the manifest. */
export const MANIFEST_SECTION = ".suture.manifest";

export interface HotpatchManifest {
  readonly format: 1;
  readonly id: string;
  readonly sequence: number;
  readonly component: Component;
  /** Every fix that the build looked at, also those that are not in the hotpatch, and why. */
  readonly fixes: readonly Fix[];
  readonly builtFrom: BuiltFrom;
}

/** What is patched: a program or shared library, known by package, version and Build-ID. */
export interface Component {
  readonly file: string;
  readonly buildId: string;
  readonly package?: string;
  readonly version?: string;
}

export interface Fix {
  /** `CVE-2026-66373`, several for one patch, or empty where the fix names none. */
  readonly cves: readonly string[];
  /** The patch file or change it came from. */
  readonly source: string;
  readonly verdict: FixVerdict;
  /** The changed functions (`in-hotpatch`, `only-at-start`), or why it is not in the hotpatch. */
  readonly functions: readonly string[];
  readonly reason?: string;
}

export const FixVerdict = {
  inHotpatch: "in-hotpatch",
  /** In the hotpatch, but what it changes runs only while the program starts. */
  onlyAtStart: "only-at-start",
  nothingToDo: "nothing-to-do",
  restartNeeded: "restart-needed",
} as const;
export type FixVerdict = (typeof FixVerdict)[keyof typeof FixVerdict];

export interface BuiltFrom {
  /** Source package and versions, or source tree and patch file. */
  readonly source: string;
  readonly fixedBy: string;
  /** `gcc (Debian 12.2.0-14) 12.2.0`. */
  readonly compiler: string;
  /** How it was shown that the source is that of the component. */
  readonly proof: "identical-build-id" | "identical-sections" | "matching-code";
  /** The translation units compiled before and after. */
  readonly units: readonly string[];
}
