/** Headers that tell a browser what the console may do, and what nobody may do with it. */
import type { FastifyInstance } from "fastify";
import type { Parts } from "../parts.ts";

/** Inline styles are how the console's components and charts place themselves. */
const POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** Adds them to every answer. */
export function addSecurityHeaders(app: FastifyInstance, { tls }: Parts): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "permissions-policy": "camera=(), microphone=(), geolocation=()",
    });
    if (tls !== undefined) reply.header("strict-transport-security", "max-age=31536000");
    if (request.url.startsWith("/v1/")) reply.header("cache-control", "no-store");
  });
}
