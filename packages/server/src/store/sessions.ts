/** Sessions of people who are signed in. */
import type { Role } from "@suture/contract";
import { SESSION_MS } from "../limits.ts";
import type { Database } from "./store.ts";

export interface SessionAccount {
  readonly id: string;
  readonly login: string;
  readonly name: string;
  readonly roles: readonly Role[];
}

/** The account of a session that is still good; undefined where there is none. */
export async function accountOfSession(
  database: Database,
  digest: string,
  now: Date,
): Promise<SessionAccount | undefined> {
  const row = await database
    .selectFrom("sessions")
    .innerJoin("accounts", "accounts.id", "sessions.account_id")
    .select(["id", "login", "name", "roles", "sessions.expires_at"])
    .where("digest", "=", digest)
    .where("expires_at", ">", now)
    .where("disabled", "=", false)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  // A session that is used goes on; once in a while is enough to write that.
  const expiresAt = now.getTime() + SESSION_MS;
  if (expiresAt - row.expires_at.getTime() > SESSION_MS / 12) {
    await database
      .updateTable("sessions")
      .set({ expires_at: new Date(expiresAt) })
      .where("digest", "=", digest)
      .execute();
  }
  return row;
}

/** Keeps a new session, and forgets those that are over. */
export async function keepSession(
  database: Database,
  session: { readonly digest: string; readonly accountId: string },
  now: Date,
): Promise<void> {
  await database.deleteFrom("sessions").where("expires_at", "<=", now).execute();
  await database
    .insertInto("sessions")
    .values({
      digest: session.digest,
      account_id: session.accountId,
      created_at: now,
      expires_at: new Date(now.getTime() + SESSION_MS),
    })
    .execute();
}
