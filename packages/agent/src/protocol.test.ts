import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AgentError } from "./errors.ts";
import { type Fields, isObject } from "./fields.ts";
import { createFrameDecoder, encodeFrame } from "./frames.ts";
import { frameBytesMax } from "./limits.ts";
import { Phase, REQUESTS, type RequestName, requestNameOf, Sender } from "./protocol.ts";

const names = Object.keys(REQUESTS) as RequestName[];

/** The code of the AgentError that `act` throws; its value otherwise. */
function outcome(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    if (error instanceof AgentError) return error.code;
    throw error;
  }
}

describe("frames", () => {
  test("come out as they went in, however they are cut", () => {
    const values = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 });
    fc.assert(
      fc.property(values, fc.array(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(encodeFrame));
        const decoder = createFrameDecoder();
        const found: Fields[] = [];
        let at = 0;
        for (const cut of cuts) {
          found.push(...decoder.push(bytes.subarray(at, at + cut)));
          at = Math.min(bytes.length, at + cut);
        }
        found.push(...decoder.push(bytes.subarray(at)));
        expect(found).toEqual(JSON.parse(JSON.stringify(frames)));
        expect(decoder.isInside()).toBe(false);
      }),
    );
  });

  test("any bytes give objects or a refusal", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = outcome(() => createFrameDecoder().push(bytes));
        if (Array.isArray(found)) expect(found.every(isObject)).toBe(true);
        else expect(["frame-too-large", "frame-not-json"]).toContain(found);
      }),
    );
  });

  test("a length over the limit is refused before its body comes", () => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(frameBytesMax + 1);
    expect(outcome(() => createFrameDecoder().push(header))).toBe("frame-too-large");
    expect(outcome(() => encodeFrame({ text: "x".repeat(frameBytesMax) }))).toBe("frame-too-large");
  });

  test.each(["", "[]", "null", "1", '"text"', "{", '{"a":1}{'])("refuses the body %j", (body) => {
    const frame = Buffer.alloc(4 + body.length);
    frame.writeUInt32BE(body.length);
    frame.write(body, 4);
    expect(outcome(() => createFrameDecoder().push(frame))).toBe("frame-not-json");
  });
});

describe("requests", () => {
  const target = "redis/2026-10/b2bcad6d23563e10.3.hotpatch";
  const GOOD: { readonly [Name in RequestName]: Fields } = {
    hello: { protocol: 1 },
    state: { known: 7, waitSeconds: 55 },
    "channel-changed": {},
    assignment: { document: "{}", signature: "a".repeat(86), controlKey: "b".repeat(43) },
    events: { after: 0, countMax: 500 },
    status: {},
    readiness: {},
    available: { all: true },
    apply: { target, dryRun: true },
    remove: { target, reason: "it leaks", dryRun: false },
    history: { after: -1, countMax: 10 },
    "audit-verify": {},
    reload: {},
    stop: {},
  };

  test.each(names)("%s is parsed to what was sent", (name) => {
    expect(REQUESTS[name].parse({ request: name, ...GOOD[name] })).toEqual(GOOD[name]);
  });

  test.each(names)("%s refuses unknown fields and fields of any other kind", (name) => {
    const { parse } = REQUESTS[name];
    const check = (fields: Fields) => expect(outcome(() => parse(fields))).toBe("request-field");
    check({ ...GOOD[name], more: 1 });
    check(JSON.parse(`{"__proto__":1,${JSON.stringify(GOOD[name]).slice(1)}`.replace(",}", "}")));
    for (const field of Object.keys(GOOD[name])) {
      const wrong = [null, {}, [], -2, 0.5, 2 ** 60, "\u0000", "", "x".repeat(600_000)];
      for (const value of wrong) check({ ...GOOD[name], [field]: value });
    }
  });

  test("mutated requests give a value or request-field", () => {
    const fields = fc.dictionary(
      fc.constantFrom("protocol", "target", "after", "dryRun", "reason", "document", "known"),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.constantFrom(...names), fields, (name, mutated) => {
        const found = outcome(() => REQUESTS[name].parse({ ...GOOD[name], ...mutated }));
        expect(isObject(found) || found === "request-field").toBe(true);
      }),
    );
  });

  test.each([undefined, null, 1, "", "toString", "__proto__", "Apply", ["apply"]])(
    "there is no request %j",
    (request) => {
      expect(outcome(() => requestNameOf({ request }))).toBe("request-unknown");
    },
  );

  test("what changes this machine by itself is root's alone", () => {
    const network = names.filter((name) => REQUESTS[name].senders.includes(Sender.network));
    expect(network).toEqual(["hello", "state", "channel-changed", "assignment", "events"]);
    const greeting = names.filter((name) => REQUESTS[name].phases.includes(Phase.greeting));
    expect(greeting).toEqual(["hello"]);
  });
});
