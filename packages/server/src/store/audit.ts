/** The audit log: appended in the transaction of the change itself. */
import { sql } from "kysely";
import { type AuditEntry, appendToChain } from "../domain/audit-chain.ts";
import type { Tx } from "./store.ts";

/** Records are put one after the other: whoever appends waits for whoever appended before. */
const auditLock = 7_305_418;

/** As the domain has it, but for the moment. */
export interface Entry extends Omit<AuditEntry, "at" | "reason"> {
  readonly at: Date;
  readonly reason?: string | undefined;
}

/** Appends a record. The last thing a transaction does, for others wait from here on. */
export async function appendAudit(tx: Tx, { at, reason, ...rest }: Entry): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(auditLock)})`.execute(tx);
  const last = await tx
    .selectFrom("audit")
    .select(["position as index", "digest"])
    .orderBy("position", "desc")
    .limit(1)
    .executeTakeFirst();
  const entry = { ...rest, at: at.getTime(), ...(reason !== undefined && { reason }) };
  // What JSON does not have (undefined members) is gone before it is hashed.
  const detail: unknown = JSON.parse(JSON.stringify(rest.detail ?? {}));
  const record = appendToChain(last, { ...entry, detail });
  await tx
    .insertInto("audit")
    .values({
      position: record.index,
      at,
      who: record.who,
      action: record.action,
      object: record.object,
      reason: record.reason ?? null,
      detail: JSON.stringify(record.detail),
      previous: record.previous,
      digest: record.digest,
    })
    .execute();
}
