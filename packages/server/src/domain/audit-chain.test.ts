import { createHash } from "node:crypto";
import type { AuditRecord } from "@suture/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AUDIT_GENESIS, type AuditEntry, appendToChain, verifyChain } from "./audit-chain.ts";

function chainOf(entries: readonly AuditEntry[]): AuditRecord[] {
  const records: AuditRecord[] = [];
  for (const entry of entries) records.push(appendToChain(records.at(-1), entry));
  return records;
}

const entryOf = (at: number): AuditEntry => ({
  at: Date.UTC(2026, 10, 22, 10) + at * 1000,
  who: "petra",
  action: "rollout.approve",
  object: `rollout ${at}`,
});

const three = chainOf([entryOf(0), entryOf(1), entryOf(2)]);

test("a record is what canonical JSON and SHA-256 say, written out by hand", () => {
  const [record] = chainOf([
    { ...entryOf(0), reason: "tested", detail: { b: 1, a: [true, null] } },
  ]);
  const text =
    `{"action":"rollout.approve","at":"2026-11-22T10:00:00.000Z","detail":{"a":[true,null],"b":1},` +
    `"index":1,"object":"rollout 0","previous":"${AUDIT_GENESIS}","reason":"tested","who":"petra"}`;
  expect(record?.digest).toBe(createHash("sha256").update(text).digest("hex"));
});

test("an empty log is intact", () => {
  expect(verifyChain([])).toEqual({ records: 0, intact: true, head: AUDIT_GENESIS });
});

describe("finds", () => {
  const head = { index: 3, digest: three[2]?.digest ?? "" };

  test("an end that was cut off, against a head kept elsewhere", () => {
    expect(verifyChain(three.slice(0, 2)).intact).toBe(true);
    const found = verifyChain(three.slice(0, 2), { expected: head });
    expect(found).toMatchObject({ intact: false, brokenAt: 3 });
  });

  test("a log that was made anew, against a head kept elsewhere", () => {
    const other = chainOf([entryOf(5), entryOf(6), entryOf(7), entryOf(8)]);
    expect(verifyChain(other).intact).toBe(true);
    expect(verifyChain(other, { expected: head })).toMatchObject({ intact: false, brokenAt: 3 });
    expect(verifyChain(three, { expected: head }).intact).toBe(true);
  });

  test("a gap in the numbers, although each digest is right", () => {
    const [first] = three;
    if (first === undefined) throw new Error("there are three");
    const later = appendToChain({ index: 7, digest: first.digest }, entryOf(8));
    expect(verifyChain([first, later])).toMatchObject({ intact: false, brokenAt: 2 });
  });

  test("a record whose detail is no JSON", () => {
    const [first, second] = three;
    if (first === undefined || second === undefined) throw new Error("there are three");
    const broken = [first, { ...second, detail: { a: Number.NaN } }];
    expect(verifyChain(broken)).toMatchObject({ intact: false, brokenAt: 2, records: 2 });
  });
});

test("a part of the log is verified after the record before it", () => {
  const [first, ...rest] = three;
  if (first === undefined) throw new Error("there are three");
  expect(verifyChain(rest, { after: first })).toMatchObject({ intact: true, records: 2 });
  expect(verifyChain(rest)).toMatchObject({ intact: false, brokenAt: 1 });
});

const entries = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    who: fc.string({ minLength: 1 }),
    action: fc.string(),
    object: fc.string(),
    reason: fc.string(),
    detail: fc.jsonValue(),
  }),
  { minLength: 1, maxLength: 12 },
);

type Tampering = (records: AuditRecord[], at: number, text: string) => AuditRecord[];

const replaced = (records: AuditRecord[], at: number, change: Partial<AuditRecord>) =>
  records.map((record, index) => (index === at ? { ...record, ...change } : record));

const TAMPERINGS: Readonly<Record<string, Tampering>> = {
  who: (records, at, text) => replaced(records, at, { who: `${records[at]?.who}${text}x` }),
  detail: (records, at, text) => replaced(records, at, { detail: [records[at]?.detail, text] }),
  time: (records, at) => replaced(records, at, { at: "1999-01-01T00:00:00.000Z" }),
  digest: (records, at) => replaced(records, at, { digest: "f".repeat(64) }),
  previous: (records, at) => replaced(records, at, { previous: "f".repeat(64) }),
  doubled: (records, at) =>
    records.flatMap((record, index) => (index === at ? [record, record] : record)),
  removed: (records, at) => records.filter((_, index) => index !== at),
  "made anew, but not those after it": (records, at, text) => {
    const before = records[at - 1];
    const anew = appendToChain(before, { at: 0, who: text, action: "x", object: "y" });
    return records.map((record, index) => (index === at ? anew : record));
  },
};

test("an untouched log is intact, whatever is in it and after a round trip through JSON", () => {
  fc.assert(
    fc.property(entries, (list) => {
      const records = chainOf(list);
      const read: AuditRecord[] = JSON.parse(JSON.stringify(records));
      const head = records.at(-1)?.digest;
      expect(verifyChain(read)).toEqual({ records: list.length, intact: true, head });
    }),
  );
});

test.each(Object.keys(TAMPERINGS))("finds the first record that does not fit: %s", (name) => {
  const tamper = TAMPERINGS[name];
  if (tamper === undefined) throw new Error("the name is from the table");
  fc.assert(
    fc.property(entries, fc.nat(), fc.string(), (list, pick, text) => {
      const records = chainOf(list);
      const at = pick % records.length;
      const after = tamper(records, at, text);
      // Nobody can see that the last record is gone without a head kept elsewhere; and a last
      // record that was made anew is a chain again.
      const isLast = at === records.length - 1;
      if (isLast && (name === "removed" || name.startsWith("made anew"))) return;
      const found = verifyChain(after);
      expect(found.intact).toBe(false);
      const shifted = name === "doubled" || name.startsWith("made anew") ? at + 2 : at + 1;
      expect(found.brokenAt).toBe(shifted);
    }),
  );
});
