/**
 * A dynamic scope as the form edits it, and as a sentence.
 *
 * The contract's scope has a shape for each kind of condition; a form wants one shape with a kind in
 * it, so that a kind can be chosen and what was typed stays:
 *
 *     { all: [{ tag: "env:test" }, { not: { hostname: "pay-*" } }] }
 *     all: tag env:test; not: hostname pay-*
 */
import {
  type GroupDraft,
  Readiness as READINESS_VALUES,
  type Readiness,
  type Scope,
} from "@suture/contract";
import { READINESS } from "../ui/words.ts";

export const LEAVES = {
  tag: "has the tag",
  hostname: "name matches",
  package: "runs the package",
  system: "system begins with",
  readiness: "readiness is",
  buildId: "runs the Build-ID",
} as const;
export type LeafKind = keyof typeof LEAVES;

export type ScopeNode =
  | { readonly kind: "all" | "any"; readonly not: boolean; readonly children: readonly ScopeNode[] }
  | { readonly kind: LeafKind; readonly not: boolean; readonly value: string };

export const EMPTY_LEAF: ScopeNode = { kind: "tag", not: false, value: "" };
export const EMPTY_SCOPE: ScopeNode = { kind: "all", not: false, children: [EMPTY_LEAF] };

/** A scope as it comes: TypeBox knows no more of the inner conditions than that they are there. */
export type AnyScope = NonNullable<GroupDraft["scope"]>;

/** The outermost node is always `all` or `any`, so that there is a place to add to. */
export function nodeOfScope(scope: AnyScope): ScopeNode {
  // The server has checked it against the schema, whose inner conditions are scopes again.
  const node = nodeOf(scope as Scope);
  return "children" in node && !node.not ? node : { kind: "all", not: false, children: [node] };
}

function nodeOf(scope: Scope): ScopeNode {
  if ("all" in scope) return { kind: "all", not: false, children: scope.all.map(nodeOf) };
  if ("any" in scope) return { kind: "any", not: false, children: scope.any.map(nodeOf) };
  if ("not" in scope) {
    const inner = nodeOf(scope.not);
    return { ...inner, not: !inner.not };
  }
  const [kind, value] = leafOf(scope);
  return { kind, not: false, value };
}

type Leaf = Exclude<Scope, { all: Scope[] } | { any: Scope[] } | { not: Scope }>;

function leafOf(leaf: Leaf): readonly [LeafKind, string] {
  if ("tag" in leaf) return ["tag", leaf.tag];
  if ("hostname" in leaf) return ["hostname", leaf.hostname];
  if ("package" in leaf) return ["package", leaf.package];
  if ("system" in leaf) return ["system", leaf.system];
  if ("readiness" in leaf) return ["readiness", leaf.readiness];
  return ["buildId", leaf.buildId];
}

/** The contract's scope. A list of one condition is that condition. */
export function scopeOfNode(node: ScopeNode): Scope {
  const scope = plainScope(node);
  return node.not ? { not: scope } : scope;
}

function plainScope(node: ScopeNode): Scope {
  switch (node.kind) {
    case "all":
    case "any": {
      const children = node.children.map(scopeOfNode);
      const [only] = children;
      if (only !== undefined && children.length === 1) return only;
      return node.kind === "all" ? { all: children } : { any: children };
    }
    case "readiness":
      return { readiness: readinessOf(node.value) };
    case "tag":
      return { tag: node.value };
    case "hostname":
      return { hostname: node.value };
    case "package":
      return { package: node.value };
    case "system":
      return { system: node.value };
    case "buildId":
      return { buildId: node.value };
  }
}

const readinessOf = (text: string): Readiness =>
  Object.values(READINESS_VALUES).find((one) => one === text) ?? READINESS_VALUES.ready;

/** The same node as another kind; what was typed stays where it can. */
export function withKind(node: ScopeNode, kind: ScopeNode["kind"]): ScopeNode {
  const { not } = node;
  if (kind === "all" || kind === "any") {
    return { kind, not, children: "children" in node ? node.children : [{ ...node, not: false }] };
  }
  const typed = "value" in node ? node.value : "";
  if (kind === "readiness") return { kind, not, value: readinessOf(typed) };
  return { kind, not, value: typed };
}

/** Whether every condition says something. */
export const isComplete = (node: ScopeNode): boolean =>
  "children" in node
    ? node.children.length > 0 && node.children.every(isComplete)
    : node.value.trim() !== "";

/** `has the tag env:test and (name matches pay-* or runs the package redis-server)` */
export function scopeText(scope: AnyScope): string {
  return nodeText(nodeOf(scope as Scope), true);
}

function nodeText(node: ScopeNode, isOutermost = false): string {
  const not = node.not ? "not: " : "";
  if ("value" in node) return `${not}${LEAVES[node.kind]} ${valueText(node)}`;
  const inner = node.children
    .map((child) => nodeText(child))
    .join(node.kind === "all" ? " and " : " or ");
  return isOutermost || node.children.length === 1 ? `${not}${inner}` : `${not}(${inner})`;
}

const valueText = ({ kind, value }: { readonly kind: string; readonly value: string }): string =>
  kind === "readiness" ? READINESS[readinessOf(value)] : value;
