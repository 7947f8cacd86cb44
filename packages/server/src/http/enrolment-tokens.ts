/** Enrolment tokens: made, listed without their secrets, withdrawn. */
import { RequestError } from "../errors.ts";
import { newId, newSecret, sha256 } from "../secrets.ts";
import type { Services } from "../services.ts";
import { change } from "./change.ts";
import { type HandlersOf, personOf } from "./handler.ts";

type Names = "enrolmentTokens" | "createEnrolmentToken" | "removeEnrolmentToken";

export function enrolmentTokenHandlers(services: Services): HandlersOf<Names> {
  const { parts, store } = services;
  return {
    async enrolmentTokens() {
      const rows = await store.database
        .selectFrom("enrolment_tokens")
        .selectAll()
        .orderBy("created_at", "desc")
        .execute();
      return rows.map(tokenOfRow);
    },
    async createEnrolmentToken({ body }, who) {
      const secret = newSecret(parts.random);
      const row = await change(services, who, async ({ tx }, at) => {
        if (body.ringId !== undefined) {
          const ring = await tx
            .selectFrom("rings")
            .select("id")
            .where("id", "=", body.ringId)
            .executeTakeFirst();
          if (ring === undefined) throw new RequestError("not-found", `no ring ${body.ringId}`);
        }
        const value = await tx
          .insertInto("enrolment_tokens")
          .values({
            id: newId(parts.random),
            name: body.name,
            digest: sha256(secret),
            tags: [...body.tags],
            ring_id: body.ringId ?? null,
            expires_at: new Date(at.getTime() + body.validHours * 3_600_000),
            uses_max: body.usesMax,
            created_by: personOf(who).login,
            created_at: at,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        return {
          value,
          action: "enrolment-token.create",
          object: `enrolment token ${value.id}`,
          detail: body,
          lists: ["enrolment-tokens"],
        };
      });
      return { ...tokenOfRow(row), token: `suture1.${secret}.${parts.controlKey.digest}` };
    },
    async removeEnrolmentToken({ params: { id } }, who) {
      await change(services, who, async ({ tx }) => {
        const row = await tx
          .deleteFrom("enrolment_tokens")
          .where("id", "=", id)
          .returning("name")
          .executeTakeFirst();
        if (row === undefined) throw new RequestError("not-found", `no enrolment token ${id}`);
        return {
          value: undefined,
          action: "enrolment-token.remove",
          object: `enrolment token ${id}`,
          detail: { name: row.name },
          lists: ["enrolment-tokens"],
        };
      });
    },
  };
}

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly tags: string[];
  readonly ring_id: string | null;
  readonly expires_at: Date;
  readonly uses_max: number;
  readonly uses: number;
  readonly created_by: string;
}

const tokenOfRow = (row: TokenRow) => ({
  id: row.id,
  name: row.name,
  tags: row.tags,
  ...(row.ring_id !== null && { ringId: row.ring_id }),
  expiresAt: row.expires_at.toISOString(),
  usesMax: row.uses_max,
  uses: row.uses,
  createdBy: row.created_by,
});
