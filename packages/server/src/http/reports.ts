/** The overview, compliance, alerts. */
import { Readable } from "node:stream";
import { type Overview, RolloutState } from "@suture/contract";
import { totalOf } from "../fleet/reports.ts";
import { approvalsFor, rolloutPage } from "../fleet/rollout-views.ts";
import type { Services } from "../services.ts";
import { listAlerts, loadAlert } from "../store/alerts.ts";
import { allComponents, connectedCount } from "../store/reports.ts";
import { releasesOf } from "./catalog.ts";
import { change } from "./change.ts";
import { csvLine } from "./csv.ts";
import { type HandlersOf, personOf } from "./handler.ts";
import { found } from "./refusals.ts";

type Names = "overview" | "compliance" | "complianceCsv" | "alerts" | "acknowledgeAlert";

const ALERTS_SHOWN = 20;

export function reportHandlers(services: Services): HandlersOf<Names> {
  const { store, parts, reports } = services;
  const { database } = store;
  return {
    async overview(_, who): Promise<Overview> {
      const now = parts.now();
      const { counts, exposure, restartsAvoided } = await reports.sums(now);
      const alerts = await listAlerts(database, { limit: ALERTS_SHOWN });
      const { paused } = await database
        .selectFrom("fleet")
        .select("paused")
        .executeTakeFirstOrThrow();
      const nextBaseline = await nextBaselineOf(services, now);
      const { activeRollouts, pendingApprovals } = await rolloutsOf(services, personOf(who).login);
      return {
        at: now.toISOString(),
        devices: totalOf(counts),
        connected: await connectedCount(database, now),
        counts,
        openAlerts: alerts.items.filter(({ resolvedAt }) => resolvedAt === undefined),
        activeRollouts,
        pendingApprovals,
        exposure,
        restartsAvoided,
        ...(nextBaseline !== undefined && { nextBaseline }),
        paused,
      };
    },
    compliance: async () => await reports.compliance(parts.now()),
    async complianceCsv() {
      return { text: Readable.from(complianceLines(services)), fileName: "compliance.csv" };
    },
    alerts: async ({ query }) => await listAlerts(database, query),
    async acknowledgeAlert({ params: { id } }, who) {
      return await change(services, who, async ({ tx }) => {
        const by = personOf(who).login;
        await tx
          .updateTable("alerts")
          .set({ acknowledged_by: by })
          .where("id", "=", id)
          .where("acknowledged_by", "is", null)
          .execute();
        const alert = found(await loadAlert(tx, id), `alert ${id}`);
        return {
          value: alert,
          action: "alert.acknowledge",
          object: `alert ${id}`,
          detail: { code: alert.code, text: alert.text },
          lists: ["alerts", "overview"],
        };
      });
    },
  };
}

/** States in which somebody may still want to look. */
const ACTIVE: ReadonlySet<string> = new Set([
  RolloutState.waitingForApproval,
  RolloutState.running,
  RolloutState.paused,
  RolloutState.halted,
  RolloutState.reverting,
]);
const ROLLOUTS_SHOWN = 50;

async function rolloutsOf({ store, loadWorld }: Services, login: string) {
  return await store.transact(async ({ tx }) => {
    const { items } = await rolloutPage(tx, { limit: ROLLOUTS_SHOWN }, loadWorld);
    const approvals = await approvalsFor(tx, login);
    const activeRollouts = items
      .filter(({ state }) => ACTIVE.has(state))
      .map(({ id, name, state, devices, protectedDevices }) => ({
        ...{ id, name, state, devices, protectedDevices },
      }));
    return { activeRollouts, pendingApprovals: approvals.length };
  });
}

/** `2027-01`, or the day where it is announced. */
async function nextBaselineOf({ store }: Services, now: Date): Promise<string | undefined> {
  const { calendar } = await store.database
    .selectFrom("channel")
    .select("calendar")
    .executeTakeFirstOrThrow();
  const today = now.toISOString().slice(0, 10);
  const next = releasesOf(calendar, now).find(
    ({ kind, month, day }) =>
      kind === "baseline" && (day === undefined ? month > today.slice(0, 7) : day >= today),
  );
  return next?.day ?? next?.month;
}

const COLUMNS = [
  ...["hostname", "device", "ring", "file", "package", "version", "build-id"],
  ...["compliance", "hotpatch", "open-cves", "reason"],
];

async function* complianceLines({ store }: Services): AsyncGenerator<string> {
  yield csvLine(COLUMNS);
  for await (const page of allComponents(store.database)) {
    yield page
      .flatMap(({ hostname, id, ring, components }) =>
        components.map((component) =>
          csvLine([
            ...[hostname, id, ring ?? "", component.file, component.package ?? ""],
            ...[component.version ?? "", component.buildId, component.compliance ?? ""],
            ...[component.hotpatch ?? "", (component.openCves ?? []).join(" ")],
            component.reason ?? "",
          ]),
        ),
      )
      .join("");
  }
}
