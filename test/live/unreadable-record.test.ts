/** A record of another version of suture: its hotpatch may be in force, so nothing is touched. */
import { join } from "node:path";
import { type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, expect, test } from "vitest";
import { hotpatchMaps, readProcess, writeProcess } from "./snapshot.ts";
import { openWorkshop } from "./victim.ts";

const RECORD_SIZE = 400;

const workshop = openWorkshop();
afterAll(() => workshop.close());

test("leaves a hotpatch alone whose record it cannot read", async () => {
  const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
  const binary = workshop.compileVictim("quiet", ["-pthread"]);
  const make = (id: string): Hotpatch =>
    workshop.makeHotpatch({
      binary,
      source: "int value(int x) { return x + 101; }",
      functions: ["value"],
      id,
    }).hotpatch;
  const victim = await workshop.start(binary);
  const applied = engine.apply([victim.pid], make("first"));
  if (isRefusal(applied)) throw new Error(applied.detail);
  const start = applied[0]?.start ?? Number.NaN;
  const record = Buffer.from(readProcess(victim.pid, start, RECORD_SIZE));
  const field = record.indexOf(`"sequence"`);
  expect(field).toBeGreaterThan(0);
  writeProcess(victim.pid, start + field, Buffer.from(`"sequencf"`));
  const maps = hotpatchMaps(victim.pid);

  const unreadable = { refused: "unreadable-record" };
  expect(engine.recover(victim.pid)).toMatchObject(unreadable);
  expect(engine.status(victim.pid)).toMatchObject(unreadable);
  expect(engine.apply([victim.pid], make("second"))).toMatchObject(unreadable);
  expect(engine.revert([victim.pid], "first")).toMatchObject(unreadable);

  expect(hotpatchMaps(victim.pid)).toEqual(maps);
  victim.send("?\n");
  expect(await victim.nextLine(/^value/)).toBe("value 102");
  writeProcess(victim.pid, start + field, Buffer.from(`"sequence"`));
  expect(engine.revert([victim.pid], "first")).toMatchObject([{ id: "first" }]);
});
