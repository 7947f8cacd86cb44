/** The control plane's server: Fastify with the routes of the contract's table. */
import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import { type Access, ROUTES, type Route, type RouteName } from "@suture/contract";
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { RequestError } from "./errors.ts";
import {
  authenticatePerson,
  createDeviceAuthentication,
  type DeviceAuthentication,
} from "./http/authentication.ts";
import { checkAccess, checkOrigin } from "./http/authorization.ts";
import type { Handlers, Principal, TextAnswer } from "./http/handler.ts";
import { createHandlers } from "./http/handlers.ts";
import { answerProblem } from "./http/problem.ts";
import { addSecurityHeaders } from "./http/security-headers.ts";
import { serveFiles } from "./http/static-files.ts";
import { BODY_BYTES_MAX } from "./limits.ts";
import type { Parts } from "./parts.ts";
import { createServices, type Services } from "./services.ts";

declare module "fastify" {
  interface FastifyInstance {
    /** Does at once what the server otherwise does by and by. */
    tick: () => Promise<void>;
    /** Requests of devices that wait for a new assignment at this server. */
    heldRequests: () => number;
  }
  interface FastifyRequest {
    /** Who asks; set before the handler runs. */
    who: Principal;
    /** The bytes of the body, for a device's signature. */
    bodyBytes: Uint8Array;
  }
}

const NO_BYTES = new Uint8Array();
const NOBODY: Principal = { kind: "nobody" };

/** The server, ready for `listen` or `inject`. It owns its timers, not its store. */
export async function createApp(parts: Parts): Promise<FastifyInstance> {
  const app = fastify({
    logger: parts.logger ?? false,
    bodyLimit: BODY_BYTES_MAX,
    trustProxy: parts.trustProxy ?? false,
    genReqId: () => Buffer.from(parts.random(9)).toString("base64url"),
    requestIdHeader: false,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    ...(parts.tls && { https: parts.tls }),
  }) as unknown as FastifyInstance;
  app.decorateRequest("who");
  app.decorateRequest("bodyBytes");
  app.setValidatorCompiler(TypeBoxValidatorCompiler as never);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler(answerProblem);
  parseJson(app);
  addSecurityHeaders(app, parts);

  const services = createServices(parts, app.log);
  const devices = createDeviceAuthentication(services.keyOf, () => parts.now().getTime());
  const handlers = createHandlers(services);
  app.decorate("tick", services.background.tick);
  app.decorate("heldRequests", services.held.count);
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    addRoute(app, { name, handlers, services, devices });
  }
  await serveFiles(app, parts);
  app.addHook("onReady", async () => await services.begin());
  app.addHook("preClose", async () => await services.end());
  return app;
}

interface RouteParts {
  readonly name: RouteName;
  readonly handlers: Handlers;
  readonly services: Services;
  readonly devices: DeviceAuthentication;
}

function addRoute(app: FastifyInstance, { name, handlers, services, devices }: RouteParts): void {
  const route: Route = ROUTES[name];
  const handler = handlers[name] as Handlers["health"];
  const { params, query, body } = route;
  const schema = { ...(params && { params }), ...(query && { querystring: query }) };
  app.route({
    method: route.method,
    url: route.path,
    schema: { ...schema, ...(body && { body }) },
    onRequest: async (request) => {
      request.bodyBytes = NO_BYTES;
      request.who = NOBODY;
      checkOrigin(request);
      if (request.url.includes("%00")) throw new RequestError("bad-request", "the URL has a NUL");
      // Whoever may not ask is told so before the body is read.
      if (route.access.who !== "device") await authorizePerson(request, route.access, services);
    },
    // A device's signature covers the body.
    preValidation: async (request) => {
      if (route.access.who !== "device") return;
      request.who = await devices.authenticate(request, request.bodyBytes);
    },
    handler: async (request, reply) => {
      const asked = { params: request.params, query: request.query, body: request.body };
      const answer = await handler(asked as never, request.who, { request, reply });
      return await send(reply, route, answer);
    },
  });
}

async function authorizePerson(
  request: FastifyRequest,
  access: Access,
  { store, parts }: Services,
): Promise<void> {
  if (access.who === "anybody") return;
  request.who = await authenticatePerson(request, store.database, parts.now());
  checkAccess(access, request.who);
}

async function send(reply: FastifyReply, route: Route, answer: unknown): Promise<unknown> {
  if (reply.raw.headersSent || reply.sent) return reply;
  if (route.contentType !== undefined) {
    const { text, fileName } = answer as TextAnswer;
    reply.type(route.contentType);
    if (fileName !== undefined) {
      reply.header("content-disposition", `attachment; filename="${fileName}"`);
    }
    return await reply.send(text);
  }
  if (route.answer === undefined) return await reply.code(204).send();
  return await reply.send(answer);
}

/**
 * Whether PostgreSQL can keep every text in it: no NUL, and no half of a surrogate pair. Both are
 * valid JSON, and only as escapes: UTF-8 has no halves, and JSON no bare NUL.
 */
function isStorable(text: string, value: unknown): boolean {
  if (!/\\u(?:0000|d[89a-f])/i.test(text)) return true;
  // Well-formed pairs are written as they are, halves as escapes (ECMA-262, 25.5.2.3).
  return !/\\u(?:0000|d[89a-f])/i.test(JSON.stringify(value));
}

/** JSON bodies; their bytes are kept for the signature of a device. */
function parseJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    (request, body: Buffer, done) => {
      request.bodyBytes = body;
      const text = body.toString("utf8");
      parse(request, text, (error, value) => {
        if (error) done(new RequestError("bad-request", `the body is no JSON: ${error.message}`));
        else if (!isStorable(text, value)) {
          done(new RequestError("bad-request", "the body has a character that no text may have"));
        } else done(null, value);
      });
    },
  );
}
