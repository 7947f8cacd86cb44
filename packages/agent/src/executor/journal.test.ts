import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { type Fields, isObject } from "../fields.ts";
import { openJournal } from "./journal.ts";

const folder = mkdtempSync(join(tmpdir(), "suture-journal-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = (): string => join(folder, `journal-${count++}`);
const open = (path: string) =>
  openJournal<Fields>({ path, parse: (value) => (isObject(value) ? value : undefined) });
const entries = [{ a: 1 }, { b: "ä\n" }, { c: [1, 2, { d: null }] }];

test("gives back what was appended, also after a rewrite", () => {
  const path = newPath();
  const first = open(path);
  expect(first.entries).toEqual([]);
  for (const entry of entries) first.journal.append(entry);
  first.journal.close();
  const second = open(path);
  expect(second.entries).toEqual(entries);
  second.journal.rewrite([{ kept: true }]);
  second.journal.append({ more: true });
  second.journal.close();
  expect(open(path).entries).toEqual([{ kept: true }, { more: true }]);
});

test("a write that was cut off anywhere leaves the records before it, and goes on", () => {
  const path = newPath();
  const { journal } = open(path);
  journal.append(...entries);
  journal.close();
  const whole = readFileSync(path);
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    const cut = open(path);
    expect(cut.setAside).toBeUndefined();
    const lines = whole.subarray(0, length).toString("latin1").split("\n").length - 1;
    expect(cut.entries).toEqual(entries.slice(0, lines));
    cut.journal.append({ after: length });
    cut.journal.close();
    expect(open(path).entries).toEqual([...entries.slice(0, lines), { after: length }]);
  }
});

test("a changed byte before the end is told, and what is whole is kept", () => {
  const path = newPath();
  const { journal } = open(path);
  journal.append(...entries);
  journal.close();
  const whole = readFileSync(path);
  const lines = whole.toString("latin1").split("\n");
  const secondBegins = (lines[0] as string).length + 1;
  const thirdBegins = secondBegins + (lines[1] as string).length + 1;
  for (let at = secondBegins; at < thirdBegins - 1; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] as number) ^ 1;
    writeFileSync(path, changed);
    const damaged = open(path);
    expect(damaged.entries).toEqual([entries[0], entries[2]]);
    expect(readFileSync(damaged.setAside as string)).toEqual(changed);
    damaged.journal.close();
    expect(open(path).setAside).toBeUndefined();
  }
});

test("any bytes at its end are no record", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
      const path = newPath();
      const { journal } = open(path);
      journal.append(...entries);
      journal.close();
      appendFileSync(path, bytes);
      expect(open(path).entries).toEqual(entries);
    }),
    { numRuns: 50 },
  );
});
