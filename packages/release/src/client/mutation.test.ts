/** Whatever becomes of a metadata file, a client says so or believes what was signed. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ReleaseError } from "../errors.ts";
import { copyOf, mirrorFetch } from "./attack-fixture.ts";
import type { Catalog } from "./catalog.ts";
import { createTestChannel, start, type TestChannel } from "./channel-fixture.ts";
import { openReleaseClient } from "./client.ts";

const FILES = [
  "metadata/1.root.json",
  "metadata/timestamp.json",
  "metadata/1.snapshot.json",
  "metadata/1.targets.json",
  "metadata/1.redis.json",
] as const;

let channel: TestChannel;
let copy: Map<string, Uint8Array>;
let honest: Catalog;
beforeAll(async () => {
  channel = await createTestChannel();
  copy = await copyOf(channel);
  honest = await channel.client().update();
});
afterAll(async () => await channel.remove());

/** A new client of a mirror on which one file is another; a changed root is the pinned one. */
async function updateWith(file: string, bytes: Uint8Array): Promise<Catalog | ReleaseError> {
  const kept = new Map<string, Uint8Array>();
  const client = openReleaseClient({
    root: file === "metadata/1.root.json" ? bytes : channel.rootBytes,
    fetch: mirrorFetch(new Map([...copy, [file, bytes]])),
    storage: {
      read: async (name) => kept.get(name),
      write: async (name, content) => void kept.set(name, content),
    },
    now: () => start,
  });
  try {
    return await client.update();
  } catch (error) {
    // Anything else is a fault of ours, and fails the test.
    if (error instanceof ReleaseError) return error;
    throw error;
  }
}

/** Nothing that was not signed: all of it, or the product left out with a reason, or an error. */
function expectHonest(outcome: Catalog | ReleaseError): void {
  if (outcome instanceof ReleaseError) return;
  if (outcome.products[0]?.problem === undefined) expect(outcome).toEqual(honest);
  else expect(outcome.updates).toEqual([]);
}

const textOf = (file: string): string => new TextDecoder().decode(copy.get(file));
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each(FILES)("%s", (file) => {
  test("with other bytes", async () => {
    const whole = copy.get(file) ?? new Uint8Array();
    const position = fc.nat(whole.length - 1);
    const change = fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(change, async (changes) => {
        const bytes = whole.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        expectHonest(await updateWith(file, bytes));
      }),
      { numRuns: 300 },
    );
  });

  test("cut, doubled, or anything at all", async () => {
    const whole = copy.get(file) ?? new Uint8Array();
    const cut = fc.nat(whole.length - 1).map((length) => whole.slice(0, length));
    const twice = fc.constant(new Uint8Array([...whole, ...whole]));
    const bytes = fc.oneof(cut, twice, fc.uint8Array(), fc.json().map(bytesOf));
    await fc.assert(
      fc.asyncProperty(bytes, async (changed) => {
        const outcome = await updateWith(file, changed);
        expectHonest(outcome);
      }),
      { numRuns: 150 },
    );
  });

  test("with one value of its JSON removed, added or replaced", async () => {
    const values = fc.oneof(
      fc.constantFrom(null, true, -1, 0, 1.5, 2 ** 40, "", "x", "__proto__", [], {}, [[]]),
      fc.constant(JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`)),
    );
    const kinds = fc.constantFrom("remove", "add", "replace");
    await fc.assert(
      fc.asyncProperty(fc.nat(), kinds, values, async (at, kind, value) => {
        const whole: unknown = JSON.parse(textOf(file));
        const places = placesOf(whole);
        const place = places[at % places.length];
        if (place === undefined) throw new Error("no place in the file");
        if (kind === "remove") Reflect.deleteProperty(place.holder, place.name);
        else place.holder[kind === "add" ? `${place.name}x` : place.name] = value;
        expectHonest(await updateWith(file, bytesOf(JSON.stringify(whole))));
      }),
      { numRuns: 400 },
    );
  });

  test("every single field counts: without it the file is refused", async () => {
    const count = placesOf(JSON.parse(textOf(file))).length;
    for (let at = 0; at < count; at += 1) {
      const whole: unknown = JSON.parse(textOf(file));
      const place = placesOf(whole)[at];
      // A list without one of its items may still be enough: one signature of three, say.
      if (place === undefined || Array.isArray(place.holder)) continue;
      Reflect.deleteProperty(place.holder, place.name);
      const outcome = await updateWith(file, bytesOf(JSON.stringify(whole)));
      const isRefused = outcome instanceof ReleaseError || outcome.updates.length === 0;
      expect(isRefused, `${place.path} was missing`).toBe(true);
    }
  });
});

interface Place {
  readonly holder: Record<string, unknown>;
  readonly name: string;
  readonly path: string;
}

/** Every field and item of a JSON value. */
function placesOf(value: unknown, path = ""): Place[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.entries(holder).flatMap(([name, item]) => [
    { holder, name, path: `${path}/${name}` },
    ...placesOf(item, `${path}/${name}`),
  ]);
}
