/** What the channel says of a hotpatch, from what its manifest says. */
import { asRequest } from "../errors.ts";
import { type Fix, FixVerdict, type HotpatchManifest } from "../manifest.ts";
import {
  type LeftOut,
  parseUpdateEntry,
  type Severity,
  type UpdateEntry,
  UpdateKind,
} from "../metadata/update-entry.ts";

export interface HotpatchEntryRequest {
  readonly manifest: HotpatchManifest;
  readonly kind: "hotpatch" | "out-of-band";
  readonly baseline: string;
  readonly severity: Severity;
  readonly supersedes: readonly string[];
  /** What other programs and libraries of the package do not get. */
  readonly leftOut?: readonly LeftOut[];
  readonly now: Date;
}

/**
 * The entry of a hotpatch.
 *
 * A CVE counts as fixed only where no part of its fix is left out. A fix that takes effect at the
 * next start only is left out as far as running processes are concerned. Throws ReleaseError where
 * the manifest holds what an entry may not.
 */
export function hotpatchEntryOf(request: HotpatchEntryRequest): UpdateEntry {
  const { manifest, kind, baseline, severity, supersedes, now } = request;
  const own = manifest.fixes.flatMap(leftOutOf);
  const open = new Set(own.flatMap(({ cves }) => cves));
  const inHotpatch = manifest.fixes.filter(({ verdict }) => verdict === FixVerdict.inHotpatch);
  const fixed = new Set(inHotpatch.flatMap(({ cves }) => cves));
  return asRequest(() =>
    parseUpdateEntry(
      {
        format: 1,
        kind: UpdateKind[kind === "hotpatch" ? "hotpatch" : "outOfBand"],
        id: manifest.id,
        baseline,
        sequence: manifest.sequence,
        components: [manifest.component],
        cves: [...fixed].filter((cve) => !open.has(cve)).sort(),
        severity,
        supersedes,
        restartNeeded: false,
        leftOut: [...own, ...(request.leftOut ?? [])],
        released: now.toISOString().slice(0, 10),
      },
      "update",
    ),
  );
}

function leftOutOf({ verdict, source, cves, reason }: Fix): LeftOut[] {
  switch (verdict) {
    case FixVerdict.inHotpatch:
    case FixVerdict.nothingToDo:
      return [];
    case FixVerdict.onlyAtStart:
      return [{ source, cves: [...new Set(cves)], reason: "takes effect at the next start only" }];
    case FixVerdict.restartNeeded:
      return [{ source, cves: [...new Set(cves)], reason: reason ?? "needs a restart" }];
  }
}

/** Whether a hotpatch file is the one that the catalog means; what differs, where it is not. */
export function checkManifest(
  { id, sequence, components }: Pick<UpdateEntry, "id" | "sequence" | "components">,
  manifest: HotpatchManifest,
): string | undefined {
  if (manifest.id !== id) return `its id is ${manifest.id}, not ${id}`;
  if (manifest.sequence !== sequence)
    return `its sequence is ${manifest.sequence}, not ${sequence}`;
  const { buildId } = manifest.component;
  const expected = components[0]?.buildId;
  return buildId === expected ? undefined : `it is for Build-ID ${buildId}, not ${expected}`;
}
