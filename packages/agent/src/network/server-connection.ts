/**
 * Requests to the control plane, signed with the device's key.
 *
 * The server may lie, be broken, or be something else that answers at its address. So an answer
 * has a deadline from the request to its last byte, a largest size whatever its header says, and
 * redirects are not followed: a signed request goes to the address that root gave and nowhere else.
 */
import { createHash } from "node:crypto";
import { ROUTES, routePath, signRequest } from "@suture/contract";
import type { HttpAnswer, HttpRequest } from "@suture/release";
import { parseProblem } from "./answers.ts";
import type { DeviceKey } from "./device-key.ts";
import { NetworkError } from "./errors.ts";
import {
  answerBytesMax,
  clockOffsetSecondsMin,
  problemBytesMax,
  requestTimeoutMs,
  retryAfterSecondsMax,
} from "./limits.ts";

export type DeviceRoute = "enrol" | "checkIn" | "awaitAssignment";

export interface ServerRequest {
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: object;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ServerConnection {
  /** The JSON of the answer. Throws NetworkError. */
  readonly ask: (route: DeviceRoute, request: ServerRequest) => Promise<unknown>;
  /** Seconds that the server's clock is ahead of this device's, from its last answer. */
  readonly clockOffsetSeconds: () => number;
}

export interface ServerConnectionOptions {
  readonly server: string;
  /** Absent while the device enrols: such requests are not signed. */
  readonly identity?: { readonly deviceId: string; readonly key: DeviceKey };
  readonly fetch: HttpRequest;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** Opens nothing before it is asked. */
export function createServerConnection(options: ServerConnectionOptions): ServerConnection {
  const { server, fetch, now } = options;
  /** By the server's clock; used for signatures, and believed for nothing else. */
  let offsetSeconds = 0;
  const once = async (route: DeviceRoute, request: ServerRequest): Promise<unknown> => {
    const { method, path } = ROUTES[route];
    const target = routePath(path, {}, request.query);
    const body = request.body && JSON.stringify(request.body);
    const deadline = AbortSignal.timeout(request.timeoutMs ?? requestTimeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline;
    const response = await fetch(`${server}${target}`, {
      method,
      signal,
      redirect: "manual",
      headers: {
        accept: "application/json",
        // What is compressed could be small on its way and large here.
        "accept-encoding": "identity",
        ...(body !== undefined && { "content-type": "application/json" }),
        ...signatureOf(options, { method, target, body, offsetSeconds }),
      },
      ...(body !== undefined && { body }),
    });
    const serverMs = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(serverMs)) offsetSeconds = Math.round((serverMs - now().getTime()) / 1000);
    return await answerOf(response);
  };
  return {
    clockOffsetSeconds: () => offsetSeconds,
    async ask(route, request) {
      const usedSeconds = offsetSeconds;
      try {
        return await once(route, request);
      } catch (error) {
        const isClock =
          error instanceof NetworkError &&
          error.code === "device-unknown" &&
          Math.abs(offsetSeconds - usedSeconds) >= clockOffsetSecondsMin;
        if (!isClock) throw failureOf(error, request.signal);
      }
      // One more attempt, now that the server's clock is known.
      try {
        return await once(route, request);
      } catch (error) {
        throw failureOf(error, request.signal);
      }
    },
  };
}

function signatureOf(
  { identity, now, randomBytes }: ServerConnectionOptions,
  request: {
    readonly method: string;
    readonly target: string;
    readonly body: string | undefined;
    readonly offsetSeconds: number;
  },
): Record<string, string> {
  if (identity === undefined) return {};
  const { method, target, body, offsetSeconds } = request;
  const [path = "", query = ""] = target.split("?", 2);
  const parts = {
    method,
    path,
    query: `?${query}`,
    ...(body !== undefined && {
      bodyDigest: createHash("sha256").update(body).digest("base64"),
    }),
  };
  const isOff = Math.abs(offsetSeconds) >= clockOffsetSecondsMin;
  const created = Math.floor(now().getTime() / 1000) + (isOff ? offsetSeconds : 0);
  const nonce = Buffer.from(randomBytes(18)).toString("base64url");
  const parameters = { created: Math.max(0, created), nonce, keyId: identity.deviceId };
  return { ...signRequest(parts, parameters, identity.key.sign) };
}

async function answerOf(response: HttpAnswer): Promise<unknown> {
  const { status, headers } = response;
  if (status === 200) return jsonOf(await readBody(response, answerBytesMax));
  if (status >= 300 && status < 400) {
    await response.body?.cancel();
    throw new NetworkError("server-redirects", `status ${status}`);
  }
  const isJson = headers.get("content-type")?.includes("json") ?? false;
  const text = await readBody(response, problemBytesMax);
  const { code, detail } = parseProblem(isJson ? jsonOf(text) : undefined);
  const retryAfterSeconds = retryAfterOf(headers.get("retry-after"));
  const options = {
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(code !== "" && { serverCode: code }),
  };
  const found = `status ${status}${code === "" ? "" : `, ${code}: ${detail}`}`;
  if (code === "signature-invalid") throw new NetworkError("device-unknown", found, options);
  throw new NetworkError(status >= 500 ? "server-unreachable" : "server-refused", found, options);
}

/** At most so many bytes as text. Leaving the loop cancels the stream and closes the connection. */
async function readBody(response: HttpAnswer, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw new NetworkError("server-answer", `more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The message would quote what the server sent.
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new NetworkError("server-answer", "not JSON");
  }
}

function retryAfterOf(header: string | null): number | undefined {
  if (header === null || !/^[0-9]{1,6}$/.test(header)) return undefined;
  return Math.min(Number(header), retryAfterSecondsMax);
}

/** What fetch throws, as a NetworkError; the end of the agent stays what it is. */
function failureOf(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof NetworkError || !(error instanceof Error)) return error;
  if (signal?.aborted === true) return error;
  const { cause } = error;
  const found = cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
  return new NetworkError("server-unreachable", found, { cause: error });
}
