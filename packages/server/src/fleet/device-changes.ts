/** What devices tell at a check-in, kept for many devices in one transaction. */
import type { CheckIn, ComponentFacts, DeviceFacts } from "@suture/contract";
import { LIST_MAX } from "@suture/contract";
import { sql } from "kysely";
import { insertEvents, type KeptFacts, keepFacts, keepProgress } from "../store/device-facts.ts";
import type { Work } from "../store/store.ts";

export interface Told {
  readonly deviceId: string;
  readonly checkIn: CheckIn;
}

interface Row {
  readonly id: string;
  readonly serial: number;
  readonly event_serial: number;
  readonly hostname: string;
  readonly system: string;
  readonly kernel: string;
  readonly processor: string;
  readonly agent_version: string;
  readonly readiness: DeviceFacts["readiness"];
  readonly findings: DeviceFacts["findings"];
  readonly components: readonly ComponentFacts[];
}

/** Keeps it. Gives the targets whose progress changed. The rows of the devices are locked. */
export async function takeChanges(
  { tx }: Work,
  told: readonly Told[],
  now: Date,
): Promise<ReadonlySet<string>> {
  if (told.length === 0) return new Set();
  const ids = told.map(({ deviceId }) => deviceId);
  const { rows } = await sql<Row>`
    select d.id, f.serial, f.event_serial, d.hostname, d.system, f.kernel, f.processor,
      f.agent_version, d.readiness, f.findings, f.components
    from devices d join device_facts f on f.device_id = d.id
      join device_contacts c on c.device_id = d.id
    where d.id = any(${ids}::uuid[]) order by d.id for update of c`.execute(tx);
  const before = new Map(rows.map((row) => [row.id, row]));
  const kept: KeptFacts[] = [];
  for (const { deviceId, checkIn } of told) {
    const row = before.get(deviceId);
    const facts = row && factsAfter(row, checkIn);
    if (facts !== undefined) kept.push({ id: deviceId, ...facts });
  }
  await keepFacts(tx, kept);
  await insertEvents(
    tx,
    told.flatMap(({ deviceId, checkIn }) => {
      const known = before.get(deviceId)?.event_serial ?? Number.POSITIVE_INFINITY;
      return checkIn.events.flatMap((event) =>
        event.serial > known ? [{ device_id: deviceId, ...event }] : [],
      );
    }),
  );
  const progress = told.flatMap(({ deviceId, checkIn }) =>
    before.has(deviceId)
      ? checkIn.progress.map((entry) => ({ device_id: deviceId, ...entry }))
      : [],
  );
  return await keepProgress(tx, progress, now);
}

/** What is known of a device after it has told something; undefined where that is as before. */
function factsAfter(row: Row, checkIn: CheckIn): Omit<KeptFacts, "id"> | undefined {
  const { facts, components, serial, since } = checkIn;
  const isNext = since === row.serial;
  if (facts === undefined && !isNext) return undefined;
  const merged = facts?.components ?? mergeComponents(row.components, components ?? []);
  // Too many: the device is asked for all of them, which the contract's schema limits.
  if (merged === undefined) return undefined;
  const { hostname, system, kernel, processor, readiness, findings } = facts ?? row;
  return {
    serial,
    hostname,
    system,
    kernel,
    processor,
    agent_version: facts?.agentVersion ?? row.agent_version,
    readiness,
    findings,
    components: merged,
    build_ids: [...new Set(merged.map(({ buildId }) => buildId))],
    packages: [...new Set(merged.flatMap((component) => component.package ?? []))],
  };
}

/** Components that are gone have no processes. Undefined where there would be too many. */
function mergeComponents(
  before: readonly ComponentFacts[],
  changed: readonly ComponentFacts[],
): readonly ComponentFacts[] | undefined {
  if (changed.length === 0) return before;
  const keyOf = ({ file, buildId }: ComponentFacts): string => `${buildId} ${file}`;
  const merged = new Map(before.map((component) => [keyOf(component), component]));
  for (const component of changed) {
    if (component.processes === 0) merged.delete(keyOf(component));
    else merged.set(keyOf(component), component);
  }
  return merged.size > LIST_MAX ? undefined : [...merged.values()];
}
