/**
 * One request with a JSON answer, by node:http itself: a simulated fleet sends thousands a second,
 * and what it costs to send them is not the server's.
 */
import { type Agent, type IncomingMessage, request } from "node:http";

export interface JsonRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | object;
  readonly body?: string;
  readonly agent?: Agent;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface JsonAnswer {
  readonly status: number;
  /** undefined where there is no body. */
  readonly value: unknown;
  readonly headers: IncomingMessage["headers"];
}

/** Throws what node:http throws, and when no answer comes in time. */
export function requestJson(server: string, asked: JsonRequest): Promise<JsonAnswer> {
  const { hostname, port } = new URL(server);
  const { method, path, headers = {}, body, agent, timeoutMs, signal } = asked;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ hostname, port, method, path },
        ...(agent && { agent }),
        ...(signal && { signal }),
        headers: {
          ...(headers as Record<string, string>),
          ...(body !== undefined && {
            "content-type": "application/json",
            "content-length": String(Buffer.byteLength(body)),
          }),
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const isJson = response.headers["content-type"]?.includes("json") ?? false;
          const value: unknown = isJson ? JSON.parse(text) : text === "" ? undefined : text;
          resolve({ status: response.statusCode ?? 0, value, headers: response.headers });
        });
      },
    );
    sent.setTimeout(timeoutMs, () => void sent.destroy(new Error(`no answer to ${path}`)));
    sent.on("error", reject);
    sent.end(body);
  });
}
