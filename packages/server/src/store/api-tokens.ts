/** API tokens: what programs show instead of a session. */
import type { Role } from "@suture/contract";
import type { Database } from "./store.ts";

/** Written at most this often. */
const lastUsedMs = 60_000;

interface GoodToken {
  readonly id: string;
  readonly name: string;
  readonly roles: Role[];
  /** The login of who made it. */
  readonly created_by: string;
}

/** The token with this digest, while it is good. Notes that it was used. */
export async function tokenOf(
  database: Database,
  digest: string,
  now: Date,
): Promise<GoodToken | undefined> {
  const row = await database
    .selectFrom("api_tokens")
    .select(["id", "name", "roles", "created_by", "last_used_at"])
    .where("digest", "=", digest)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (now.getTime() - (row.last_used_at?.getTime() ?? 0) > lastUsedMs) {
    await database
      .updateTable("api_tokens")
      .set({ last_used_at: now })
      .where("id", "=", row.id)
      .execute();
  }
  return row;
}
