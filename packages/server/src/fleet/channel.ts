/** The release channel as the control plane verified it, kept in the store. */
import { type Catalog, RELEASE_PROBLEMS, ReleaseError } from "@suture/release";
import { RequestError } from "../errors.ts";
import type { Parts } from "../parts.ts";
import { appendAudit } from "../store/audit.ts";
import { keepChannel, keepChannelProblem, keepUpdates } from "../store/catalog.ts";
import { touchFleet } from "../store/devices.ts";
import type { UpdateDocument } from "../store/tables.ts";
import { signalLists, signalSettle } from "./signals.ts";

/**
 * Verifies the channel and keeps what it offers. Throws RequestError `channel-not-trusted`; then
 * what was verified before stays, with the problem beside it. One at a time.
 */
export function createChannelReader({ store, now, readChannel }: Parts): () => Promise<void> {
  let running: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    if (readChannel === undefined) return;
    try {
      const catalog = await readChannel();
      await keep(catalog);
    } catch (error) {
      if (!(error instanceof ReleaseError)) throw error;
      const { code, message } = error;
      const problem = { code, detail: message, remediation: RELEASE_PROBLEMS[code].next };
      await store.transact(async (work) => {
        if (await keepChannelProblem(work.tx, problem)) signalLists(work, "catalog", "overview");
      });
      throw new RequestError("channel-not-trusted", `${code}: ${message}`);
    }
  };
  const keep = async (catalog: Catalog): Promise<void> => {
    const at = now();
    await store.transact(async (work) => {
      const { added, changed, removed } = await keepUpdates(work.tx, documentsOf(catalog), at);
      const isNew = await keepChannel(work.tx, catalog, at);
      if (added.length + changed.length + removed.length === 0) {
        if (isNew) signalLists(work, "catalog", "overview");
        return;
      }
      await work.tx
        .updateTable("fleet")
        .set((set) => ({ catalog_generation: set("catalog_generation", "+", 1) }))
        .execute();
      // Whether a device is protected is another question now, for each of them.
      await touchFleet(work.tx);
      signalSettle(work);
      signalLists(work, "catalog", "overview", "rollouts", "audit");
      await appendAudit(work.tx, {
        at,
        who: "server",
        action: "catalog.change",
        object: "release channel",
        detail: { added, changed, removed, versions: catalog.versions },
      });
    });
  };
  return async () => {
    running ??= read().finally(() => {
      running = undefined;
    });
    await running;
  };
}

function documentsOf(catalog: Catalog): UpdateDocument[] {
  return catalog.updates.map((update) => ({
    target: update.target,
    sha256: update.sha256,
    product: update.product,
    kind: update.kind,
    id: update.id,
    baseline: update.baseline,
    sequence: update.sequence,
    components: update.components.map(({ file, buildId, package: name, version }) => ({
      file,
      buildId,
      ...(name !== undefined && { package: name }),
      ...(version !== undefined && { version }),
    })),
    cves: [...update.cves],
    severity: update.severity,
    supersedes: [...update.supersedes],
    restartNeeded: update.restartNeeded,
    leftOut: update.leftOut.map(({ source, cves, reason }) => ({
      ...{ source, cves: [...cves], reason },
    })),
    released: update.released,
    ...(update.withdrawn && { withdrawn: { ...update.withdrawn } }),
  }));
}
