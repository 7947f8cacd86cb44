/** The table of routes as an OpenAPI 3.1 document. */
import {
  type Access,
  API_ERRORS,
  type ApiErrorCode,
  Problem,
  ROUTES,
  type Route,
} from "@suture/contract";

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

/** The document; schemas are JSON Schema 2020-12, which OpenAPI 3.1 takes as they are. */
export function openApiDocument(version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries<Route>(ROUTES)) {
    const path = route.path.replace(/:([a-z]+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(name, route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Suture control plane", version },
    paths,
    components: {
      schemas: { Problem },
      securitySchemes: {
        session: { type: "apiKey", in: "cookie", name: "suture_session" },
        token: { type: "http", scheme: "bearer" },
        device: { type: "apiKey", in: "header", name: "Signature", description: "RFC 9421" },
      },
    },
  };
}

function operationOf(name: string, route: Route): unknown {
  const { params, query, body } = route;
  return {
    operationId: name,
    summary: route.summary,
    ...securityOf(route.access),
    ...((params ?? query) && {
      parameters: [...parametersOf(params, "path"), ...parametersOf(query, "query")],
    }),
    ...(body && {
      requestBody: { required: true, content: { "application/json": { schema: body } } },
    }),
    responses: responsesOf(route),
  };
}

function securityOf(access: Access): Readonly<Record<string, unknown>> {
  if (access.who === "anybody") return { security: [] };
  if (access.who === "device") return { security: [{ device: [] }] };
  const security = [{ session: [] }, { token: [] }];
  return access.who === "permission"
    ? { security, "x-permission": access.permission }
    : { security };
}

function parametersOf(schema: unknown, place: "path" | "query"): unknown[] {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema;
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: property,
  }));
}

function responsesOf(route: Route): Readonly<Record<string, unknown>> {
  const content = { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } };
  const byStatus = Map.groupBy(errorsOf(route), (code) => API_ERRORS[code].status);
  const problems = [...byStatus].map(([status, codes]): [string, unknown] => {
    const description = codes.map((code) => `\`${code}\`: ${API_ERRORS[code].meaning}`).join("; ");
    return [String(status), { description, content }];
  });
  return { ...successOf(route), ...Object.fromEntries(problems) };
}

function successOf({ contentType, answer }: Route): Readonly<Record<string, unknown>> {
  if (contentType !== undefined) {
    return { 200: { description: "Done.", content: { [contentType]: {} } } };
  }
  if (answer === undefined) return { 204: { description: "Done." } };
  return { 200: { description: "Done.", content: { "application/json": { schema: answer } } } };
}

/** Those of the table, and those that follow from what the route is. */
export function errorsOf({ access, body, params, query, method, errors }: Route): ApiErrorCode[] {
  const person = access.who === "permission" || access.who === "signed-in";
  return [
    ...new Set<ApiErrorCode>([
      ...errors,
      ...((body ?? params ?? query) ? (["bad-request"] as const) : []),
      ...(body ? (["too-large"] as const) : []),
      ...(person ? (["not-signed-in"] as const) : []),
      ...(access.who === "permission" ? (["not-permitted"] as const) : []),
      ...(access.who === "device" ? (["signature-invalid"] as const) : []),
      ...(method === "GET" ? [] : (["wrong-origin"] as const)),
      "server-error",
      "unavailable",
    ]),
  ];
}
