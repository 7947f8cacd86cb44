/** The list, what an outcome means, and when the figures are reached. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { refuseBuild } from "../../packages/builder/src/refusals.ts";
import { expectedVerdict, judgeOutcome, scoreRow } from "./judge.ts";
import { parseList } from "./list.ts";
import type { RowRecord } from "./records.ts";
import { makesToRepeat } from "./remake.ts";
import type { BinaryOutcome } from "./row.ts";
import { positionOf } from "./run-package.ts";
import { isReached, reachOf } from "./scores.ts";
import { withWalkLock } from "./walk-lock.ts";

const head = "package\tversion\tcve\tfirst_patch\tpatches\tclass\tchanged_functions\tflags";

test("the list of the project can be read, and each row's patches are counted", () => {
  const rows = parseList(readFileSync(join(import.meta.dirname, "security-fixes.tsv"), "utf8"));
  expect(rows).toHaveLength(146);
  const packages = new Set(rows.map((row) => row.package));
  expect(packages.size).toBe(20);
  const keys = rows.map((row) => `${row.package} ${row.patches.join("+")}`);
  expect(new Set(keys).size).toBe(rows.length);
});

test("a list that is none is refused with its line", () => {
  const row = "p\t1-1\tCVE-2026-1\ta.patch+b.patch\t2\ta\tf\t";
  expect(parseList(`${head}\n${row}\n`)).toMatchObject([{ patches: ["a.patch", "b.patch"] }]);
  expect(() => parseList("nothing\n")).toThrow("first line");
  expect(() => parseList(`${head}\n${row.replace("\t2\t", "\t3\t")}\n`)).toThrow("line 2");
});

test("a row is at its first patch, and gone where one of its patches is", () => {
  const [row] = parseList(`${head}\np\t1\t\tb+c\t2\ta\t\t\n`);
  if (row === undefined) throw new Error("no row");
  expect(positionOf(row, ["a", "b", "c"])).toBe(1);
  expect(positionOf(row, ["a", "b"])).toBeUndefined();
});

const refusedIn = (path: string, code: "not-patchable" | "not-the-source"): BinaryOutcome => ({
  ...{ path, file: path },
  outcome: { kind: "refused", refusal: refuseBuild(code, { name: "x", detail: "y", next: "z" }) },
});

const without = (path: string, kind: "no-change" | "not-concerned"): BinaryOutcome => ({
  ...{ path, file: path },
  outcome: kind === "no-change" ? { kind, units: [] } : { kind },
});

test("the worst of a row's files counts", () => {
  const verdict = (...binaries: BinaryOutcome[]) => judgeOutcome({ binaries }).verdict;
  expect(verdict(without("a", "not-concerned"))).toBe("nothing-to-do");
  expect(verdict(without("a", "no-change"), without("b", "not-concerned"))).toBe("nothing-to-do");
  expect(verdict(without("a", "no-change"), refusedIn("b", "not-patchable"))).toBe(
    "restart-needed",
  );
  expect(verdict(refusedIn("a", "not-patchable"), refusedIn("b", "not-the-source"))).toBe("failed");
  const refusal = refuseBuild("no-change", { name: "x", detail: "y", next: "z" });
  expect(judgeOutcome({ binaries: [], refusal }).verdict).toBe("nothing-to-do");
});

test("a class asks for a verdict, and what is gone is neither right nor wrong", () => {
  expect(["a", "b", "c", "d", "e", "f", "h", "h2", "h3"].map(expectedVerdict)).toEqual([
    ...["built", "built", "built", "restart-needed", "restart-needed"],
    ...["nothing-to-do", "nothing-to-do", "nothing-to-do", "nothing-to-do"],
  ]);
  expect(scoreRow({ class: "e" }, "built")).toBe("wrong");
  expect(scoreRow({ class: "e" }, "restart-needed")).toBe("right");
  expect(scoreRow({ class: "a" }, "gone")).toBe("gone");
});

test("one unsafe row, or one that was not confirmed, and the figures are not reached", () => {
  const record = (kind: string, verdict: RowRecord["verdict"], confirmed = true): RowRecord => ({
    ...{ package: "p", version: "1", cve: "", first_patch: "", class: kind, verdict },
    ...{ functions: [], binaries: [], seconds: 1, code: "", date: "" },
    applied: confirmed,
    reverted: confirmed,
  });
  const good = Array.from({ length: 20 }, () => record("a", "built"));
  expect(isReached([...good, record("e", "restart-needed"), record("f", "nothing-to-do")])).toBe(
    true,
  );
  expect(isReached([...good.slice(1), record("b", "failed")])).toBe(true);
  expect(isReached([...good.slice(2), record("b", "failed"), record("c", "failed")])).toBe(false);
  expect(isReached([...good, record("d", "built")])).toBe(false);
  expect(isReached([...good, record("h2", "built")])).toBe(false);
  expect(isReached([...good.slice(1), record("a", "built", false)])).toBe(false);
  expect(reachOf([record("a", "gone")]).patchable).toBe(0);
});

test("makes that clean, test or only look are not repeated, those that install are told apart", () => {
  const directory = import.meta.dirname;
  const make = (...argv: string[]) => ({ directory, argv: ["make", ...argv], env: {} });
  const kept = makesToRepeat([
    ...[make("-j2", "distclean"), make("-Rrnpsf", "debian/rules", "debhelper-fail-me")],
    ...[make("-j2", "V=1"), make("-j2", "V=1"), make("-C", "contrib", "all")],
    ...[make("-j2", "install", "DESTDIR=/x"), make("check"), make("-f", "-"), make("-f", "none")],
  ]);
  const words = (runs: readonly { readonly argv: readonly string[] }[]): readonly string[] =>
    runs.map(({ argv }) => argv.slice(1).join(" "));
  expect(words(kept.building)).toEqual(["-j2 V=1", "-C contrib all"]);
  expect(words(kept.installing)).toEqual(["-j2 install DESTDIR=/x"]);
});

test("two runs do not walk one tree at a time, and one that was killed is in nobody's way", async () => {
  const folder = mkdtempSync(join(tmpdir(), "suture-walk-"));
  try {
    const second = withWalkLock(folder, () => withWalkLock(folder, async () => "both"));
    await expect(second).rejects.toThrow(`process ${process.pid} walks`);
    writeFileSync(join(folder, "walk.lock"), "4194305\n");
    expect(await withWalkLock(folder, async () => "alone")).toBe("alone");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
