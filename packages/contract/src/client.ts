/** A client for the routes, typed by their table. The console and `suture admin` use it. */
import type { Static, TSchema } from "typebox";
import { API_ERRORS, type ApiErrorCode } from "./errors.ts";
import type { Route } from "./route.ts";
import { ROUTES, type RouteName } from "./routes.ts";
import type { Problem } from "./schemas/problem.ts";

type Part<Name extends RouteName, Key extends string> = (typeof ROUTES)[Name] extends {
  readonly [K in Key]: infer Schema extends TSchema;
}
  ? Static<Schema>
  : undefined;

export interface Request<Name extends RouteName> {
  readonly params?: Part<Name, "params">;
  readonly query?: Part<Name, "query">;
  readonly body?: Part<Name, "body">;
}
export type Answer<Name extends RouteName> = Part<Name, "answer">;

/** An error that the server answered with. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  readonly next: string;

  constructor(problem: Problem) {
    super(problem.detail);
    this.code = problem.code;
    this.next = problem.next;
  }
}

export interface ClientOptions {
  /** `https://suture.example`; empty for the page's own server. */
  readonly server: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
}

export type Call = <Name extends RouteName>(
  name: Name,
  request?: Request<Name>,
) => Promise<Answer<Name>>;

/** A function that calls a route by its name. Throws ApiError, or what fetch throws. */
export function createClient({ server, headers = {}, fetch }: ClientOptions): Call {
  return async (name, request = {}) => {
    const route: Route = ROUTES[name];
    const { params, query, body } = request as Record<string, Record<string, unknown> | undefined>;
    const response = await fetch(`${server}${routePath(route.path, params, query)}`, {
      method: route.method,
      credentials: "same-origin",
      headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new ApiError(await problemOf(response));
    if (response.status === 204) return undefined as Answer<typeof name>;
    // Not JSON lines.
    const isJson = /^application\/json(?:;|$)/.test(response.headers.get("content-type") ?? "");
    const answer: unknown = isJson ? await response.json() : await response.text();
    return answer as Answer<typeof name>;
  };
}

/** The path with its parts filled in, and the query behind it. */
export function routePath(
  path: string,
  params: Readonly<Record<string, unknown>> = {},
  query: Readonly<Record<string, unknown>> = {},
): string {
  const filled = path.replace(/:([a-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  );
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as const],
  );
  return pairs.length === 0
    ? filled
    : `${filled}?${new URLSearchParams(Object.fromEntries(pairs))}`;
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const value: unknown = JSON.parse(text);
    const { code, detail, next } = value as Problem;
    if (Object.hasOwn(API_ERRORS, code))
      return { code, detail: String(detail), next: String(next) };
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
  }
  const code = response.status >= 500 ? "unavailable" : "bad-request";
  return { code, detail: `status ${response.status}`, next: API_ERRORS[code].next };
}
