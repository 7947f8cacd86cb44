import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Act, type AgentRecord, emptyRecord, entriesOf, withEntry } from "./record.ts";
import { openRecorder } from "./recorder.ts";

const folder = mkdtempSync(join(tmpdir(), "suture-recorder-"));
afterAll(() => rmSync(folder, { recursive: true }));
const now = () => new Date("2026-11-22T10:00:00.000Z");
const target = "redis/2026-10/b2bcad6d23563e10.3.hotpatch";
const act: Act = {
  do: "apply",
  target,
  hotpatch: "fix-3",
  sequence: 3,
  sha256: "0".repeat(64),
  buildId: "b2bcad6d23563e10",
  file: "/usr/bin/redis-server",
  processes: [{ pid: 7, started: 99, image: "1-2-3" }],
};

/** Everything of a record, as plain data. */
const plain = (record: AgentRecord) => ({
  ...record,
  open: [...record.open],
  progress: [...record.progress],
  bars: [...record.bars],
  attempts: [...record.attempts],
  watches: [...record.watches],
});

test("what was noted is there after a new opening, and after a rewrite", () => {
  const first = openRecorder({ folder, now });
  const number = first.begin(act);
  first.note({
    ends: number,
    events: [{ kind: "applied", target, detail: "to 1 process" }],
    progress: [{ target, state: "applied", at: now().toISOString(), processes: 1 }],
    audit: [{ who: "executor", what: "applied", detail: { target } }],
    watch: {
      ...{ target, hotpatch: "fix-3", buildId: act.buildId, file: act.file },
      ...{ since: now().toISOString(), sinceUptime: 1, boot: "b", processes: [], logs: [] },
    },
  });
  first.note({ bar: { target: "x", code: "health-signal", detail: "", at: now().toISOString() } });
  first.note({
    attempt: { key: "y", code: "busy", detail: "", count: 2, at: now().toISOString() },
    events: [{ kind: "refused", target, detail: "a\nb" }],
  });
  first.begin(act);
  first.close();
  const second = openRecorder({ folder, now });
  expect(plain(second.record())).toEqual(plain(first.record()));
  expect(second.record().events.map(({ serial, detail }) => `${serial} ${detail}`)).toEqual([
    "1 to 1 process",
    "2 a b",
  ]);
  expect([...second.record().open.keys()]).toEqual([2]);
  const rewritten = entriesOf(second.record(), now().toISOString()).reduce(withEntry, emptyRecord);
  expect(plain(rewritten)).toEqual(plain(second.record()));
  second.close();
});

test("serials of events go on after the network half has taken all of them", () => {
  const recorder = openRecorder({ folder, now });
  recorder.note({ acknowledged: 2 });
  expect(recorder.record().events).toEqual([]);
  const rewritten = entriesOf(recorder.record(), now().toISOString()).reduce(
    withEntry,
    emptyRecord,
  );
  expect(rewritten.eventSerial).toBe(2);
  expect(rewritten.events).toEqual([]);
  recorder.close();
});
