/** What an import of a distribution's update says: what is staged, and what became of each fix. */
import type { BuildOutcome, ServedPackage } from "@suture/builder";
import type { ImportResult, Publication } from "@suture/release";
import { describeFixes } from "./fix-table.ts";
import { type Block, done, failed, line, type Outcome, type Problem, table } from "./outcome.ts";
import type { ReleaseParts } from "./parts.ts";
import { counted } from "./selection.ts";

export interface ImportReport {
  readonly product: string;
  readonly built: Pick<BuildOutcome, "fixes" | "notes"> & { readonly package: ServedPackage };
  readonly result: ImportResult;
  readonly signed: readonly { readonly keyid: string; readonly roles: readonly string[] }[];
  readonly waiting: readonly { readonly role: string }[];
  readonly waitingLines: readonly Block[];
  readonly isReady: boolean;
  readonly wantsPublication: boolean;
  readonly publication: Publication | undefined;
}

/** The outcome of an import: how it ended is decided here, for all that it may have come to. */
export function describeImport(report: ImportReport, parts: ReleaseParts): Outcome {
  const { product, built, result, signed, waiting, publication } = report;
  const { fixes, notes, package: served } = built;
  const { baseline, hotpatches } = result;
  const document = {
    imported: {
      ...{ product, package: served.name, from: served.version, fixedBy: served.fixedBy },
      baseline: { name: baseline.entry.baseline, ...baseline },
      hotpatches: hotpatches.map(({ bytes, ...target }) => ({
        ...target,
        ...(bytes && { size: bytes.length }),
      })),
    },
    ...{ fixes, notes, signed, waiting },
    ...(publication && { publication }),
  };
  const blocks = [
    line(`${served.name} ${served.version}, fixed by ${served.fixedBy}`),
    line(""),
    ...describeTargets(report),
    ...describeFixes(fixes),
    ...describeRestarts(fixes),
    ...notes.map((note) => line(`note: ${note}`)),
    line(""),
    ...describeNext(report),
  ];
  const problem = problemOf(report, parts);
  if (problem === undefined) return done(document, ...blocks);
  const { exit, ...what } = problem;
  return { ...failed(exit, what, document), blocks };
}

function describeTargets({ result: { baseline, hotpatches } }: ImportReport): readonly Block[] {
  const state = baseline.isStaged ? "staged" : "unchanged";
  const { components } = baseline.entry;
  const rows = [
    [baseline.target, state, counted(components.length, "component"), "-"],
    ...hotpatches.map(({ target, state, entry }) => [
      ...[target, state, entry.components[0]?.file ?? "", entry.cves.join(" ") || "-"],
    ]),
  ];
  const columns = [
    ...[{ title: "TARGET", cutTo: 24 }, { title: "STATE" }, { title: "FOR", cutTo: 10 }],
    { title: "FIXES", cutTo: 14 },
  ];
  return [
    table(columns, rows),
    ...(baseline.notListed.length === 0
      ? []
      : [
          line(
            `note: the baseline does not list ${baseline.notListed.map(({ file }) => file).join(", ")}`,
          ),
        ]),
    line(""),
  ];
}

/** The reasons in full, which a table cuts. */
const describeRestarts = (fixes: BuildOutcome["fixes"]): readonly Block[] =>
  fixes.flatMap(({ cves, source, binaries }) => {
    const name = cves.length > 0 ? `${cves.join(" ")} (${source})` : source;
    return binaries
      .filter(({ verdict }) => verdict === "restart-needed")
      .map(({ file, obstacles }) => {
        const why = distinctObstacles(obstacles).join("; ");
        return line(`needs a restart: ${name} in ${file}: ${why || "no reason is known"}`);
      });
  });

/** A type that differs is in the way in every unit that has it: once is enough to read. */
function distinctObstacles(
  obstacles: BuildOutcome["fixes"][number]["binaries"][number]["obstacles"],
): readonly string[] {
  const groups = Map.groupBy(obstacles, ({ code, name }) => `${code}: ${name}`);
  return [...groups].map(([thing, [first, ...others]]) => {
    const more = others.length > 0 ? ` (and ${counted(others.length, "more place")})` : "";
    return `${thing}: ${first?.detail ?? ""}${more}`;
  });
}

function describeNext(report: ImportReport): readonly Block[] {
  const { result, waiting, waitingLines, publication, isReady, wantsPublication } = report;
  const states = [
    ...(result.baseline.isStaged ? ["staged"] : []),
    ...result.hotpatches.map(({ state }) => state),
  ];
  const nothing = line("nothing is new: nothing was staged");
  const isNew = states.includes("staged");
  if (publication !== undefined) {
    const versions = Object.entries(publication.versions).map(([role, at]) => `${role} ${at}`);
    return [
      ...(isNew ? [] : [nothing]),
      line(`published ${versions.join(", ")}`),
      line(`sign the timestamp anew before ${publication.expires}`),
    ];
  }
  if (waiting.length === 0) return [nothing];
  const next = isReady ? "suture release publish" : "suture release sign, then publish";
  return [
    ...(isNew ? [] : [nothing]),
    ...waitingLines,
    ...(wantsPublication ? [] : [line(`next: ${next}`)]),
  ];
}

type Ending = Problem & { readonly exit: "refused" | "restart" };

/** What whoever asked for an import has to know before anything else. */
function problemOf(report: ImportReport, parts: ReleaseParts): Ending | undefined {
  const { built, result, isReady, wantsPublication, publication, waiting } = report;
  const { fixes, package: served } = built;
  const open = fixes.filter(({ verdict }) => verdict === "restart-needed");
  if (result.hotpatches.length === 0 && open.length > 0) {
    return {
      exit: "restart",
      reason: "restart-needed",
      detail: `no fix of ${served.name} can go into a hotpatch of ${served.version}`,
      next: `install ${served.fixedBy} and restart what runs ${served.name}`,
    };
  }
  const withdrawn = result.hotpatches.find(({ state }) => state === "withdrawn");
  if (withdrawn !== undefined) {
    const why = withdrawn.entry.withdrawn?.reason ?? "";
    return {
      exit: "refused",
      reason: "target-withdrawn",
      detail: `${withdrawn.target} fixes the same and was withdrawn: ${why}`,
      next: "wait for a newer version; or, if it is another one: suture release add hotpatch",
    };
  }
  if (!wantsPublication || publication !== undefined || isReady || waiting.length === 0) {
    return undefined;
  }
  const { meaning, next } = parts.RELEASE_PROBLEMS["too-few-signatures"];
  const roles = waiting.map(({ role }) => role).join(", ");
  const detail = `${roles}: ${meaning}; it is staged and not published`;
  return { exit: "refused", reason: "too-few-signatures", detail, next };
}
