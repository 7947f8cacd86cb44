/** Files: the console at `/`, the release channel at `/channel/`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { RequestError } from "../errors.ts";
import type { Parts } from "../parts.ts";

/** Adds them, and what answers where there is nothing. */
export async function serveFiles(
  app: FastifyInstance,
  { consoleFolder, channelFolder }: Parts,
): Promise<void> {
  if (channelFolder !== undefined) {
    await app.register(fastifyStatic, {
      root: channelFolder,
      prefix: "/channel/",
      decorateReply: false,
      index: false,
      dotfiles: "ignore",
      cacheControl: false,
    });
  }
  const hasConsole = consoleFolder !== undefined && existsSync(join(consoleFolder, "index.html"));
  if (hasConsole) {
    await app.register(fastifyStatic, {
      root: consoleFolder,
      prefix: "/",
      dotfiles: "ignore",
      // Names of built files carry a digest of their content; index.html does not.
      setHeaders: (reply, path) => {
        const isNamedByContent = path.includes(`${join("/", "assets")}/`);
        reply.header(
          "cache-control",
          isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache",
        );
      },
    });
  }
  app.setNotFoundHandler(async (request, reply) => {
    const isPage =
      hasConsole &&
      request.method === "GET" &&
      !/^\/(?:v1|channel|assets)(?:\/|$)/.test(request.url);
    // Paths of the console's own: it reads them itself.
    if (isPage) return await reply.header("cache-control", "no-cache").sendFile("index.html");
    throw new RequestError("not-found", `${request.method} ${request.url.slice(0, 200)}`);
  });
}
