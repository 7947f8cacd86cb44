/** What became of each fix of a build, in each program and library that it concerns. */
import { type Fix, FixVerdict } from "@suture/release";

/** One fix. Every fix that a build was given has one, whatever became of it. */
export interface FixReport {
  /** The patch, or the change where there is none. */
  readonly source: string;
  /** `CVE-2026-66373`, several for one patch, or empty where the fix names none. */
  readonly cves: readonly string[];
  /** The worst of its verdicts: a fix is in a hotpatch only where it is so everywhere. */
  readonly verdict: FixVerdict;
  /** In one sentence why it is not, or not only, in a hotpatch. */
  readonly reason?: string;
  /** The programs and libraries that it concerns; empty where no unit of them changes. */
  readonly binaries: readonly FixInBinary[];
}

/** What became of a fix in one program or library. */
export interface FixInBinary {
  /** Its path in the package, or as the request names it. */
  readonly file: string;
  readonly buildId: string;
  readonly verdict: FixVerdict;
  /** The hotpatch that has it. */
  readonly hotpatch?: string;
  /** The functions of that hotpatch which the fix changes. */
  readonly functions: readonly string[];
  /** Those of them that run only while the program starts. */
  readonly onlyAtStart: readonly string[];
  /** What stands in its way. */
  readonly obstacles: readonly Obstacle[];
}

/** A thing that keeps a fix out of a hotpatch. */
export interface Obstacle {
  /** One of the builder's or the differ's refusals, or of LEFT_OUT. */
  readonly code: string;
  /** The function, variable, type, unit, or other fix. */
  readonly name: string;
  readonly detail: string;
  readonly unit?: string;
}

/** Why a fix that could go into a hotpatch by itself is left out together with another. */
export const LEFT_OUT = {
  overlaps: "a fix that needs a restart changes the same code",
  "same-cve": "another part of the fix of the same CVE needs a restart",
  "given-together": "it was asked for together with a change that needs a restart",
} as const;

const severity: Readonly<Record<FixVerdict, number>> = {
  [FixVerdict.nothingToDo]: 0,
  [FixVerdict.inHotpatch]: 1,
  [FixVerdict.onlyAtStart]: 2,
  [FixVerdict.restartNeeded]: 3,
};

/** The report of one fix from what became of it in each binary that it concerns. */
export function reportFix(
  fix: { readonly name: string; readonly cves: readonly string[] },
  binaries: readonly FixInBinary[],
): FixReport {
  const [worst] = binaries.toSorted((a, b) => severity[b.verdict] - severity[a.verdict]);
  const verdict = worst?.verdict ?? FixVerdict.nothingToDo;
  const reason = worst === undefined ? nothingCompiled : reasonOf(worst);
  const { name: source, cves } = fix;
  return { source, cves, verdict, ...(reason !== undefined && { reason }), binaries };
}

const nothingCompiled = "no machine code of any program or library that ships changes";

/** The same for one binary, as the manifest of its hotpatch says it. */
export function manifestFix(
  fix: { readonly name: string; readonly cves: readonly string[] },
  found: Pick<FixInBinary, "verdict" | "functions" | "onlyAtStart" | "obstacles"> | undefined,
): Fix {
  const verdict = found?.verdict ?? FixVerdict.nothingToDo;
  const reason = found === undefined ? "no unit of this file changes" : reasonOf(found);
  return {
    cves: fix.cves,
    source: fix.name,
    verdict,
    functions: found?.functions ?? [],
    ...(reason !== undefined && { reason: reason.slice(0, reasonMax) }),
  };
}

/** Characters of a reason that a manifest takes; the report has all obstacles. */
const reasonMax = 1000;

function reasonOf({
  verdict,
  onlyAtStart,
  obstacles,
}: Pick<FixInBinary, "verdict" | "onlyAtStart" | "obstacles">): string | undefined {
  switch (verdict) {
    case FixVerdict.inHotpatch:
      return undefined;
    case FixVerdict.nothingToDo:
      return "no machine code changes";
    case FixVerdict.onlyAtStart:
      return `takes effect at the next start, for it changes what runs only then: ${onlyAtStart.join(", ")}`;
    case FixVerdict.restartNeeded:
      return obstacles
        .map(({ code, name, detail }) => oneLine(`${code}: ${name}: ${detail}`))
        .join("; ");
  }
}

/** Manifests have no control characters; compilers' messages have line breaks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
const oneLine = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
