import { expect, test } from "vitest";
import { routePath } from "./client.ts";
import { API_ERRORS } from "./errors.ts";
import { Permission, Role } from "./names.ts";
import { conflictingRoles, permissionsOf, ROLE_PERMISSIONS } from "./permissions.ts";
import type { Route } from "./route.ts";
import { ROUTES } from "./routes.ts";

const routes = Object.entries<Route>(ROUTES);

test("no two routes are one", () => {
  const places = routes.map(([, { method, path }]) => `${method} ${path.replace(/:\w+/g, ":")}`);
  expect(new Set(places).size).toBe(places.length);
});

test.each(routes)("%s names its parts, and errors that there are", (_, route) => {
  const names = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => name);
  const params = route.params as { properties?: Record<string, unknown> } | undefined;
  expect(Object.keys(params?.properties ?? {})).toEqual(names);
  for (const code of route.errors) expect(API_ERRORS).toHaveProperty([code]);
  if (route.method === "GET") expect(route.body).toBeUndefined();
});

test("request bodies refuse what they do not know", () => {
  for (const [name, { body, query }] of routes) {
    for (const schema of [body, query]) {
      if (schema !== undefined) expect(schema, name).toMatchObject({ additionalProperties: false });
    }
  }
});

test("author is never approver, whatever the roles", () => {
  for (const one of Object.values(Role)) {
    for (const other of Object.values(Role)) {
      const permissions = permissionsOf([one, other]);
      const isBoth =
        permissions.has(Permission.createRollouts) && permissions.has(Permission.approveRollouts);
      if (isBoth) expect(conflictingRoles([one, other])).toBe(true);
    }
  }
});

test("every permission is had by some role", () => {
  const had = new Set(Object.values(ROLE_PERMISSIONS).flat());
  expect([...had].sort()).toEqual(Object.values(Permission).sort());
});

test("paths are filled in and quoted", () => {
  expect(routePath("/v1/x/:id", { id: "a/b?" }, { cursor: "=&", limit: undefined })).toBe(
    "/v1/x/a%2Fb%3F?cursor=%3D%26",
  );
});
