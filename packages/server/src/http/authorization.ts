/** Whether whoever asks may. Nobody else decides this, but for the actions on a rollout. */
import type { Access } from "@suture/contract";
import type { FastifyRequest } from "fastify";
import { RequestError } from "../errors.ts";
import type { Principal } from "./handler.ts";

/** Throws RequestError `not-signed-in` or `not-permitted`. Device routes are not asked here. */
export function checkAccess(access: Access, who: Principal): void {
  if (access.who === "anybody") return;
  if (who.kind !== "account" && who.kind !== "token") throw new RequestError("not-signed-in");
  if (access.who === "signed-in") return;
  if (access.who === "permission" && who.permissions.has(access.permission)) return;
  throw new RequestError(
    "not-permitted",
    access.who === "permission"
      ? `${who.login} has no role with the permission ${access.permission}`
      : `${who.login} is no device`,
  );
}

/**
 * Refuses what a page of another site sends. A browser adds Origin to every request that may change
 * something; what is no browser sends none, and has no cookie that it did not mean to send.
 */
export function checkOrigin({ method, headers, host, protocol }: FastifyRequest): void {
  if (method === "GET" || method === "HEAD") return;
  const { origin } = headers;
  const site = headers["sec-fetch-site"];
  if (origin !== undefined && origin !== `${protocol}://${host}` && !isOrigin(origin, host)) {
    throw new RequestError("wrong-origin", `a page of ${origin}`);
  }
  if (origin === undefined && site !== undefined && site !== "same-origin" && site !== "none") {
    throw new RequestError("wrong-origin", `a page that is ${String(site)}`);
  }
}

/** Whether it names this host; behind a proxy that ends TLS the protocols differ. */
function isOrigin(origin: string, host: string): boolean {
  return origin === `https://${host}`;
}
