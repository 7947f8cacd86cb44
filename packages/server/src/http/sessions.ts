/** Sign in, sign out, and who asks. */
import { type Me, Permission, permissionsOf } from "@suture/contract";
import type { FastifyReply } from "fastify";
import { RequestError } from "../errors.ts";
import { SESSION_MS } from "../limits.ts";
import { createPasswordCheck, newSecret, sha256 } from "../secrets.ts";
import type { Services } from "../services.ts";
import { appendAudit } from "../store/audit.ts";
import { keepSession } from "../store/sessions.ts";
import { cookieOf, SESSION_COOKIE } from "./authentication.ts";
import { type HandlersOf, type Person, personOf } from "./handler.ts";
import { createFailureLimit } from "./rate-limit.ts";

export function sessionHandlers({
  parts,
  store,
}: Services): HandlersOf<"signIn" | "signOut" | "me"> {
  const limit = createFailureLimit(() => parts.now().getTime());
  const checkPassword = createPasswordCheck();
  return {
    async signIn({ body }, _, { request, reply }) {
      // Of an address, and of a login from everywhere, so that many addresses cannot share a guess.
      const places = [request.ip, `login ${body.login}`];
      for (const place of places) refuseTooMany(limit.waitSeconds(place));
      const account = await store.database
        .selectFrom("accounts")
        .select(["id", "login", "name", "roles", "password_hash", "disabled"])
        .where("login", "=", body.login)
        .executeTakeFirst();
      const kept = account?.disabled === false ? account.password_hash : undefined;
      const matches = await checkPassword(body.password, kept);
      if (matches === "busy") refuseTooMany(5);
      if (matches !== true || account === undefined) {
        for (const place of places) limit.failed(place);
        throw new RequestError("wrong-password");
      }
      for (const place of places) limit.succeeded(place);
      const now = parts.now();
      const secret = newSecret(parts.random);
      await store.transact(async ({ tx }) => {
        await keepSession(tx, { digest: sha256(secret), accountId: account.id }, now);
        await tx
          .updateTable("accounts")
          .set({ last_sign_in_at: now })
          .where("id", "=", account.id)
          .execute();
        const object = `account ${account.login}`;
        await appendAudit(tx, { at: now, who: account.login, action: "session.begin", object });
      });
      setCookie(reply, secret, {
        seconds: SESSION_MS / 1000,
        isSecure: request.protocol === "https",
      });
      const { login, name, roles } = account;
      return meOf({ kind: "account", login, name, roles });
    },
    async signOut(_, who, { request, reply }) {
      const secret = cookieOf(request, SESSION_COOKIE);
      if (secret !== undefined && who.kind === "account") {
        await store.database.deleteFrom("sessions").where("digest", "=", sha256(secret)).execute();
      }
      setCookie(reply, "", { seconds: 0, isSecure: request.protocol === "https" });
    },
    async me(_, who) {
      return meOf(personOf(who));
    },
  };
}

function refuseTooMany(seconds: number | undefined): void {
  if (seconds === undefined) return;
  throw new RequestError("too-many-requests", `again in ${seconds} seconds`, {
    retryAfterSeconds: seconds,
  });
}

const meOf = ({
  kind,
  login,
  name,
  roles,
}: Pick<Person, "kind" | "login" | "name" | "roles">): Me => ({
  login,
  name,
  roles: [...roles],
  permissions: Object.values(Permission).filter((permission) =>
    permissionsOf(roles).has(permission),
  ),
  kind,
});

function setCookie(
  reply: FastifyReply,
  value: string,
  { seconds, isSecure }: { readonly seconds: number; readonly isSecure: boolean },
): void {
  const attributes = [
    `${SESSION_COOKIE}=${value}`,
    "Path=/",
    "HttpOnly",
    "SameSite=Strict",
    `Max-Age=${seconds}`,
    ...(isSecure ? ["Secure"] : []),
  ];
  reply.header("set-cookie", attributes.join("; "));
}
