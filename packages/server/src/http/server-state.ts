/** The server itself: its health, its API as a document, and word of what changed. */
import { RequestError } from "../errors.ts";
import { LISTENERS_MAX } from "../limits.ts";
import type { Services } from "../services.ts";
import { authenticatePerson } from "./authentication.ts";
import type { HandlersOf } from "./handler.ts";
import { openApiDocument } from "./open-api.ts";

const HEARTBEAT_MS = 25_000;

export function serverStateHandlers({
  parts,
  store,
  lists,
}: Services): HandlersOf<"health" | "openApi" | "changes"> {
  const document = openApiDocument(parts.version);
  return {
    async health() {
      await store.database.selectFrom("fleet").select("id").executeTakeFirstOrThrow();
      return { version: parts.version, database: store.kind };
    },
    openApi: async () => document,
    async changes(_, __, { request, reply }) {
      if (lists.listeners() >= LISTENERS_MAX) {
        throw new RequestError("too-many-requests", "too many pages listen", {
          retryAfterSeconds: 30,
        });
      }
      reply.hijack();
      const headers = { ...reply.getHeaders(), "content-type": "text/event-stream" };
      reply.raw.writeHead(200, headers as Record<string, string>);
      reply.raw.write("retry: 2000\n\n");
      const write = (text: string): void => void reply.raw.write(text);
      const stop = lists.listen((changed) => {
        write(`event: change\ndata: ${JSON.stringify({ lists: changed })}\n\n`);
      });
      // A session that ended ends this too.
      const heartbeat = setInterval(() => {
        authenticatePerson(request, store.database, parts.now()).then(
          (who) => (who.kind === "nobody" ? reply.raw.end() : write(": here\n\n")),
          () => reply.raw.end(),
        );
      }, HEARTBEAT_MS);
      reply.raw.once("close", () => {
        clearInterval(heartbeat);
        stop();
      });
      return { text: "" };
    },
  };
}
