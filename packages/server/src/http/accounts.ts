/** Accounts of people. */
import { type Account, type AccountChange, conflictingRoles, type Role } from "@suture/contract";
import { RequestError } from "../errors.ts";
import { hashPassword, newId } from "../secrets.ts";
import type { Services } from "../services.ts";
import type { Tx } from "../store/store.ts";
import { isUniqueViolation } from "../store/violations.ts";
import { change } from "./change.ts";
import type { HandlersOf } from "./handler.ts";
import { found } from "./refusals.ts";

type Names = "accounts" | "createAccount" | "changeAccount";

export function accountHandlers(services: Services): HandlersOf<Names> {
  const { parts, store } = services;
  return {
    async accounts() {
      const rows = await store.database
        .selectFrom("accounts")
        .selectAll()
        .orderBy("login")
        .execute();
      return rows.map(accountOf);
    },
    async createAccount({ body }, who) {
      const { login, name, roles, password } = body;
      refuseConflicting(roles);
      const passwordHash = await hashPassword(password, parts.random);
      try {
        return await change(services, who, async ({ tx }, at) => {
          const row = await tx
            .insertInto("accounts")
            .values({
              id: newId(parts.random),
              login,
              name,
              roles,
              password_hash: passwordHash,
              created_at: at,
            })
            .returningAll()
            .executeTakeFirstOrThrow();
          return {
            value: accountOf(row),
            action: "account.create",
            object: `account ${login}`,
            detail: { name, roles },
            lists: ["accounts"],
          };
        });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new RequestError("conflict", `there is an account ${login}`);
      }
    },
    async changeAccount({ params: { id }, body }, who) {
      if (body.roles !== undefined) refuseConflicting(body.roles);
      const hash = body.password && (await hashPassword(body.password, parts.random));
      return await change(services, who, async ({ tx }) => {
        const before = await tx
          .selectFrom("accounts")
          .selectAll()
          .where("id", "=", id)
          .forUpdate()
          .executeTakeFirst();
        const { roles, name, disabled } = found(before, `account ${id}`);
        const row = await tx
          .updateTable("accounts")
          .set({
            name: body.name ?? name,
            roles: body.roles ?? roles,
            disabled: body.disabled ?? disabled,
            ...(hash && { password_hash: hash }),
          })
          .where("id", "=", id)
          .returningAll()
          .executeTakeFirstOrThrow();
        await refuseWithoutAdmin(tx);
        // Whoever knows an old password, or is out, is signed out everywhere.
        if (hash || body.disabled) {
          await tx.deleteFrom("sessions").where("account_id", "=", id).execute();
        }
        return {
          value: accountOf(row),
          action: "account.change",
          object: `account ${row.login}`,
          detail: withoutPassword(body),
          lists: ["accounts"],
        };
      });
    },
  };
}

interface AccountRow {
  readonly id: string;
  readonly login: string;
  readonly name: string;
  readonly roles: Role[];
  readonly disabled: boolean;
  readonly created_at: Date;
  readonly last_sign_in_at: Date | null;
}

const accountOf = (row: AccountRow): Account => ({
  id: row.id,
  login: row.login,
  name: row.name,
  roles: row.roles,
  disabled: row.disabled,
  createdAt: row.created_at.toISOString(),
  ...(row.last_sign_in_at !== null && { lastSignInAt: row.last_sign_in_at.toISOString() }),
});

const withoutPassword = ({ password, ...rest }: AccountChange) => ({
  ...rest,
  ...(password !== undefined && { password: "changed" }),
});

/** Author is never approver. */
export function refuseConflicting(roles: readonly Role[]): void {
  if (!conflictingRoles(roles)) return;
  throw new RequestError("conflict", "approver goes with neither author nor operator", {
    next: "make two accounts of two people",
  });
}

/** Somebody must be able to administer. */
async function refuseWithoutAdmin(tx: Tx): Promise<void> {
  const rows = await tx
    .selectFrom("accounts")
    .select("roles")
    .where("disabled", "=", false)
    .execute();
  if (rows.some(({ roles }) => roles.includes("admin"))) return;
  throw new RequestError("conflict", "no admin would be left", {
    next: "make another admin first",
  });
}
