import type { Scope } from "@suture/contract";
import { expect, test } from "vitest";
import {
  EMPTY_SCOPE,
  isComplete,
  nodeOfScope,
  scopeOfNode,
  scopeText,
  withKind,
} from "./scope-tree.ts";

const SCOPES: readonly (readonly [Scope, string])[] = [
  [{ tag: "env:test" }, "has the tag env:test"],
  [{ not: { hostname: "pay-*" } }, "not: name matches pay-*"],
  [
    { all: [{ tag: "a" }, { any: [{ package: "redis" }, { buildId: "ab12" }] }] },
    "has the tag a and (runs the package redis or runs the Build-ID ab12)",
  ],
  [
    { not: { any: [{ system: "Debian" }, { readiness: "not-ready" }] } },
    "not: system begins with Debian or readiness is Not ready",
  ],
];

test("what the form makes of a scope is the scope again", () => {
  for (const [scope] of SCOPES) expect(scopeOfNode(nodeOfScope(scope))).toEqual(scope);
});

test("a scope is told as a sentence", () => {
  for (const [scope, text] of SCOPES) expect(scopeText(scope)).toBe(text);
});

test("not of not is nothing", () => {
  expect(scopeOfNode(nodeOfScope({ not: { not: { tag: "a" } } }))).toEqual({ tag: "a" });
});

test("another kind keeps what was typed", () => {
  const leaf = { kind: "tag", not: true, value: "web-*" } as const;
  expect(withKind(leaf, "hostname")).toEqual({ kind: "hostname", not: true, value: "web-*" });
  expect(withKind(leaf, "readiness")).toEqual({ kind: "readiness", not: true, value: "ready" });
  expect(withKind(leaf, "any")).toEqual({
    kind: "any",
    not: true,
    children: [{ kind: "tag", not: false, value: "web-*" }],
  });
});

test("a condition without a value is not complete", () => {
  expect(isComplete(EMPTY_SCOPE)).toBe(false);
  expect(isComplete(nodeOfScope({ tag: "a" }))).toBe(true);
});
