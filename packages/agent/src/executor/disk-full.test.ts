/** A disk without room: nothing begins that could not be remembered, and nothing is forgotten. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AgentError } from "../errors.ts";
import type { ApplyAct, RevertAct } from "./record.ts";
import { openRecorder } from "./recorder.ts";

let folder: string;
let isMounted = false;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-small-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]);
  isMounted = true;
});
afterEach(() => {
  if (isMounted) execFileSync("umount", [folder]);
  isMounted = false;
  rmSync(folder, { recursive: true });
});

const now = () => new Date("2026-11-22T10:00:00.000Z");
const on = { target: "t/b/aa.1.hotpatch", buildId: "aa", file: "/x", processes: [] };
const apply: ApplyAct = { do: "apply", ...on, hotpatch: "h", sequence: 1, sha256: "0" };
const revert: RevertAct = { do: "revert", ...on, hotpatch: "h", why: { code: "c", detail: "d" } };

function fill(): () => void {
  const file = join(folder, "large");
  try {
    writeFileSync(file, Buffer.alloc(1024 * 1024));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
  return () => rmSync(file);
}

test("an apply is not begun, an outcome waits for room, a revert goes on", () => {
  const recorder = openRecorder({ folder, now });
  const first = recorder.begin(apply);
  // Up to the end of the last block that the files have.
  const long = "x".repeat(900);
  for (let count = 0; count < 6; count++) {
    recorder.note({ audit: [{ who: "executor", what: "filled", detail: { long } }] });
  }
  const makeRoom = fill();
  const audit = { who: "executor", what: "applied", detail: { long: "x".repeat(20_000) } };
  recorder.note({ ends: first, watchOver: "x", audit: [audit] });
  expect(recorder.isDiskFull()).toBe(true);
  expect(() => recorder.begin(apply)).toThrow(AgentError);
  const second = recorder.begin(revert);
  recorder.note({ ends: second, events: [{ kind: "reverted", detail: "all of it" }] });
  makeRoom();
  recorder.flush();
  expect(recorder.isDiskFull()).toBe(false);
  const { open, events } = recorder.record();
  expect(open.size).toBe(0);
  recorder.close();
  const again = openRecorder({ folder, now });
  expect(again.record().open.size).toBe(0);
  expect(again.record().events).toEqual(events);
  expect(again.setAside).toBeUndefined();
  again.close();
});
