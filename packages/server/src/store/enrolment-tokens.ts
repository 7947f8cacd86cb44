/** Enrolment tokens: kept as digests, counted when they are used. */
import type { Tx } from "./store.ts";

export interface UsedToken {
  readonly name: string;
  readonly tags: readonly string[];
  readonly ringId: string | null;
}

/** Counts a use, in one statement, so that no token is used more often than it may be. */
export async function useEnrolmentToken(
  tx: Tx,
  { digest, now }: { readonly digest: string; readonly now: Date },
): Promise<UsedToken | undefined> {
  const row = await tx
    .updateTable("enrolment_tokens")
    .set((set) => ({ uses: set("uses", "+", 1) }))
    .where("digest", "=", digest)
    .where("expires_at", ">", now)
    .whereRef("uses", "<", "uses_max")
    .returning(["name", "tags", "ring_id"])
    .executeTakeFirst();
  return row && { name: row.name, tags: row.tags, ringId: row.ring_id };
}
