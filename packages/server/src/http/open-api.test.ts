import { ROUTES } from "@suture/contract";
import { expect, test } from "vitest";
import { openApiDocument } from "./open-api.ts";

interface Operation {
  readonly operationId: string;
  readonly security?: readonly unknown[];
  readonly responses: Readonly<Record<string, unknown>>;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}
const document = openApiDocument("1.0.0") as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test("has every route once", () => {
  expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual(
    Object.keys(ROUTES).sort(),
  );
});

test.each(operations)("$method $path", ({ path, operation }) => {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const declared = operation.parameters?.filter((parameter) => parameter.in === "path") ?? [];
  expect(declared.map(({ name }) => name)).toEqual(inPath);
  expect(Object.keys(operation.responses).some((status) => status.startsWith("2"))).toBe(true);
  expect(operation.responses).toHaveProperty("500");
});

test("is plain JSON", () => {
  expect(JSON.parse(JSON.stringify(document))).toEqual(document);
});
