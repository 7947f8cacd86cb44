/** API tokens: for programs, with roles of their own. */
import type { ApiToken, Role } from "@suture/contract";
import { RequestError } from "../errors.ts";
import { newId, newSecret, sha256 } from "../secrets.ts";
import type { Services } from "../services.ts";
import { isUniqueViolation } from "../store/violations.ts";
import { refuseConflicting } from "./accounts.ts";
import { change } from "./change.ts";
import { type HandlersOf, personOf } from "./handler.ts";
import { found } from "./refusals.ts";

const DAY_MS = 86_400_000;

export function apiTokenHandlers(
  services: Services,
): HandlersOf<"apiTokens" | "createApiToken" | "removeApiToken"> {
  const { parts, store } = services;
  return {
    async apiTokens() {
      const rows = await store.database
        .selectFrom("api_tokens")
        .selectAll()
        .orderBy("created_at", "desc")
        .execute();
      return rows.map(tokenOf);
    },
    async createApiToken({ body }, who) {
      const { name, roles, validDays } = body;
      refuseConflicting(roles);
      const secret = newSecret(parts.random);
      try {
        const row = await change(services, who, async ({ tx }, at) => {
          const value = await tx
            .insertInto("api_tokens")
            .values({
              id: newId(parts.random),
              name,
              digest: sha256(secret),
              roles,
              created_by: personOf(who).login,
              created_at: at,
              expires_at: new Date(at.getTime() + validDays * DAY_MS),
            })
            .returningAll()
            .executeTakeFirstOrThrow();
          return {
            value,
            action: "api-token.create",
            object: `API token ${value.id}`,
            detail: body,
            lists: ["api-tokens"],
          };
        });
        return { ...tokenOf(row), token: secret };
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new RequestError("conflict", `there is a token ${name}`);
      }
    },
    async removeApiToken({ params: { id } }, who) {
      await change(services, who, async ({ tx }) => {
        const row = await tx
          .deleteFrom("api_tokens")
          .where("id", "=", id)
          .returning("name")
          .executeTakeFirst();
        return {
          value: undefined,
          action: "api-token.remove",
          object: `API token ${id}`,
          detail: found(row, `API token ${id}`),
          lists: ["api-tokens"],
        };
      });
    },
  };
}

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly roles: Role[];
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly last_used_at: Date | null;
}

const tokenOf = (row: TokenRow): ApiToken => ({
  id: row.id,
  name: row.name,
  roles: row.roles,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  ...(row.last_used_at !== null && { lastUsedAt: row.last_used_at.toISOString() }),
});
