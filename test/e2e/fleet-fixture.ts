/** The fleet of fleet-scene.ts for tests, with its server on a PostgreSQL of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type MeasuredPostgres, postgresFolder, startPostgres } from "../../bench/postgres.ts";
import { type Fleet, openFleet, says, values } from "./fleet-scene.ts";

const postgresPrograms = postgresFolder(process.env.PATH ?? "");

/** Whether this machine can hold a fleet. Says loudly what it lacks; in CI that is an error. */
export function canOpenFleet(): boolean {
  const missing = [
    ...(process.geteuid?.() === 0 ? [] : ["root"]),
    ...(spawnSync("gcc", ["--version"]).status === 0 ? [] : ["gcc"]),
    ...(postgresPrograms === undefined ? ["PostgreSQL"] : []),
  ];
  if (missing.length === 0) return true;
  const text = `the fleet's test needs ${missing.join(" and ")}`;
  if (process.env.CI) throw new Error(text);
  console.warn(`SKIPPED: ${text}`);
  return false;
}

/** Gives the tests of a group one fleet, whose programs are as they were made. */
export function allWithFleet(use: (fleet: Fleet) => void): void {
  let folder: string;
  let postgres: MeasuredPostgres | undefined;
  let fleet: Fleet | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "suture-postgres-"));
    postgres = await startPostgres(postgresPrograms ?? "", folder);
    fleet = await openFleet(postgres.url);
    for (const machine of fleet.machines) await says(machine, values.original);
    use(fleet);
  }, 180_000);
  afterAll(async () => {
    await fleet?.end();
    await postgres?.end();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);
}
