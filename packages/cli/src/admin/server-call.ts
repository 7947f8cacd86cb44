/** Calls of the control plane: requests and answers are checked by the contract on this side, too. */
import {
  API_ERRORS,
  ApiError,
  type Call,
  createClient,
  ROUTES,
  type Route,
  type RouteName,
} from "@suture/contract";
import { UsageError } from "../command.ts";
import { failed, type Outcome } from "../outcome.ts";
import { checked } from "./check.ts";

export interface ServerAccess {
  readonly server: string;
  readonly token: string;
  readonly fetch: typeof globalThis.fetch;
}

const timeoutMs = 60_000;

/** The server answers with what the contract does not know: it is of another version, or none. */
export class StrangeAnswerError extends Error {
  override readonly name = "StrangeAnswerError";
}

/**
 * The contract's client. Throws UsageError for a request that the route would not take, ApiError
 * for the server's errors, StrangeAnswerError, and what fetch throws. Each call has 60 seconds.
 */
export function openServerCall({ server, token, fetch }: ServerAccess): Call {
  const client = createClient({
    server,
    headers: { authorization: `Bearer ${token}` },
    fetch: async (input, init) =>
      await fetch(input, { ...init, redirect: "error", signal: AbortSignal.timeout(timeoutMs) }),
  });
  return async (name, request = {}) => {
    checkRequest(name, request);
    const answer = await client(name, request);
    const { answer: schema }: Route = ROUTES[name];
    const result = schema === undefined ? undefined : checked(schema, answer);
    if (result !== undefined && "complaints" in result) {
      const [{ path, text } = { path: [], text: "" }] = result.complaints;
      throw new StrangeAnswerError(`${name}: ${path.join(".")}: ${text}`);
    }
    return answer;
  };
}

function checkRequest(name: RouteName, request: object): void {
  const { params, query, body }: Route = ROUTES[name];
  const values = new Map<string, unknown>(Object.entries(request));
  for (const [part, schema] of Object.entries({ params, query, body })) {
    if (schema === undefined) continue;
    const value = values.get(part);
    if (part === "query" && value === undefined) continue;
    const result = checked(schema, value);
    if ("complaints" in result) {
      const texts = result.complaints.map(({ path, text }) => `${path.join(".")}: ${text}`);
      throw new UsageError(texts.slice(0, 5).join("; "));
    }
  }
}

/**
 * What went wrong with a call, as an outcome; undefined for what is not of the server. `changed`
 * says that something was changed before: it is no refusal then.
 */
export function serverProblem(
  error: unknown,
  server: string,
  { changed = false }: { readonly changed?: boolean } = {},
): Outcome | undefined {
  if (error instanceof ApiError) {
    const isRefusal = API_ERRORS[error.code].status < 500 && !changed;
    const { code: reason, message: detail, next } = error;
    return failed(isRefusal ? "refused" : "failed", { reason, detail, next });
  }
  if (error instanceof StrangeAnswerError) {
    return failed("failed", {
      reason: "strange-answer",
      detail: `${server}: ${error.message}`,
      next: "check the address, and that server and command are of the same version",
    });
  }
  // fetch throws a TypeError for whatever the network does, and a DOMException when it is late.
  const isLate = error instanceof DOMException && error.name === "TimeoutError";
  if (isLate || (error instanceof TypeError && error.message === "fetch failed")) {
    const cause = error.cause instanceof Error ? error.cause.message : error.message;
    const next = "check the address and that the server runs";
    return failed("failed", { reason: "unreachable", detail: `${server}: ${cause}`, next });
  }
  return undefined;
}
