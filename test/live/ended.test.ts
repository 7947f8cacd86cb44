/** Processes that end while a hotpatch is applied: who had it already is told. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openEngine } from "@suture/engine";
import { afterAll, afterEach, expect, test } from "vitest";
import { openWorkshop } from "./victim.ts";

const workshop = openWorkshop();
let onStep = (_step: string): void => {};
const lockFolder = join(workshop.folder, "lock");
const engine = openEngine({ lockFolder, faultPoint: (step) => onStep(step) });
const quiet = workshop.compileVictim("quiet", ["-pthread"]);
const { hotpatch } = workshop.makeHotpatch({
  binary: quiet,
  source: "int value(int x) { return x + 101; }",
  functions: ["value"],
  id: "value",
});
afterEach(async () => {
  onStep = () => {};
  await workshop.endVictims();
});
afterAll(() => workshop.close());

const start = () => workshop.start(quiet, []);

function end(pid: number): void {
  process.kill(pid, "SIGKILL");
  while (!/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
}

test.each([
  ["before-stop", false],
  ["resumed", true],
])("one that ends at the step %s: switched already, %j", async (step, isSwitched) => {
  const { pid } = await start();
  onStep = (name) => {
    if (name === step) end(pid);
  };
  const endedSwitched = isSwitched ? [pid] : [];
  const gone = { refused: "process-gone", pid, stillApplied: [], endedSwitched };
  expect(engine.apply([pid], hotpatch)).toMatchObject(gone);
});

test("one that ends before a later one refuses", async () => {
  const [first, second] = [await start(), await start()];
  let isApplied = false;
  onStep = (name) => {
    if (name === "recorded" && !isApplied) end(first.pid);
    if (name === "planned" && isApplied) end(second.pid);
    isApplied ||= name === "recorded";
  };
  const gone = { refused: "process-gone", pid: second.pid, endedSwitched: [first.pid] };
  expect(engine.apply([first.pid, second.pid], hotpatch)).toMatchObject(gone);
});
