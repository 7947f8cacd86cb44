import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openAuditLog } from "./audit-log.ts";

const folder = mkdtempSync(join(tmpdir(), "suture-audit-"));
afterAll(() => rmSync(folder, { recursive: true }));
const now = new Date("2026-11-22T10:00:00Z");
let count = 0;

function begun(records: number): string {
  const path = join(folder, `audit-${count++}`);
  const log = openAuditLog(path);
  for (let at = 0; at < records; at++) {
    log.append({ who: "executor", what: "applied", detail: { target: `t${at}`, pids: [at] } }, now);
  }
  log.close();
  return path;
}

test("what is appended is read back, and the chain holds over a new opening", async () => {
  const path = begun(3);
  const log = openAuditLog(path);
  log.append({ who: "root", what: "reload", detail: {} }, now);
  const records = await log.read({ after: -1 });
  expect(records.map(({ index, what }) => `${index} ${what}`)).toEqual([
    "0 applied",
    "1 applied",
    "2 applied",
    "3 reload",
  ]);
  expect(await log.read({ countMax: 1 })).toEqual(records.slice(3));
  expect(await log.read({ after: 0, countMax: 2 })).toEqual(records.slice(1, 3));
  expect(await log.verify()).toEqual({ records: 4, head: records[3]?.hash });
  log.close();
});

test("the hashes are those that another implementation computes", () => {
  const path = begun(3);
  const script = `
import hashlib, json, sys
previous = "0" * 64
for line in open(sys.argv[1]):
    record = json.loads(line)
    stated = record.pop("hash")
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record["previous"] == previous
    previous = hashlib.sha256(text.encode()).hexdigest()
    assert previous == stated
print(previous)`;
  const head = openAuditLog(path).head().hash;
  expect(execFileSync("python3", ["-c", script, path], { encoding: "utf8" }).trim()).toBe(head);
});

test.each([
  ["a changed text", (text: string) => text.replace("t1", "t9"), 1],
  ["a record removed", (text: string) => text.replace(/^.*"index":1,.*\n/m, ""), 1],
  ["a record twice", (text: string) => text.replace(/^(.*"index":1,.*\n)/m, "$1$1"), 2],
  ["a line that is none", (text: string) => text.replace(/^.*"index":1,.*$/m, "{}"), 1],
  ["the first one removed", (text: string) => text.replace(/^.*\n/, ""), 0],
])("%s is found", async (_, change, index) => {
  const path = begun(4);
  writeFileSync(path, change(readFileSync(path, "utf8")));
  const log = openAuditLog(path);
  expect((await log.verify()).problem?.index).toBe(index);
  log.close();
});

test("a log cut off behind the back of whoever holds it open is found", async () => {
  const path = begun(4);
  const log = openAuditLog(path);
  writeFileSync(path, readFileSync(path, "utf8").split("\n").slice(0, 2).join("\n").concat("\n"));
  expect((await log.verify()).problem?.index).toBe(2);
  log.close();
});

test("a torn last line is cut off", async () => {
  const path = begun(3);
  const whole = readFileSync(path);
  const lastBegins = whole.lastIndexOf(10, whole.length - 2) + 1;
  for (let length = lastBegins; length < whole.length; length += 7) {
    writeFileSync(path, whole.subarray(0, length));
    const log = openAuditLog(path);
    expect(log.head().index).toBe(1);
    log.append({ who: "executor", what: "started", detail: {} }, now);
    expect(await log.verify()).toEqual({ records: 3, head: log.head().hash });
    log.close();
  }
});
