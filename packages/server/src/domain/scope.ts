/**
 * Dynamic scopes: a filter over what is known of a device, as data.
 *
 *     { all: [{ tag: "production" }, { package: "redis" }, { not: { readiness: "not-ready" } }] }
 *
 * is, for people: `tag production and package redis and not readiness not-ready`.
 *
 * There are no regular expressions and no arithmetic: evaluation takes time in proportion to the
 * scope, whoever wrote it.
 */
import { type DeviceFacts, Readiness, type Scope } from "@suture/contract";
import { type Refusal, refuse } from "./refusal.ts";

/** Nesting beyond this is more than people can read. */
export const SCOPE_DEPTH_MAX = 8;
/** A scope is evaluated for each device that changes. */
export const SCOPE_CONDITIONS_MAX = 200;
const LIST_MAX = 20;
const TEXT_MAX = 200;

/** What a scope sees of a device. */
export interface ScopeDevice {
  readonly tags: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
  readonly buildIds: ReadonlySet<string>;
  readonly readiness: Readiness;
  readonly system: string;
  readonly hostname: string;
}

export function scopeDeviceOf(facts: DeviceFacts, tags: readonly string[]): ScopeDevice {
  const running = facts.components.filter(({ processes }) => processes > 0);
  return {
    tags: new Set(tags),
    packages: new Set(running.flatMap((component) => component.package ?? [])),
    buildIds: new Set(running.map(({ buildId }) => buildId)),
    readiness: facts.readiness,
    system: facts.system,
    hostname: facts.hostname,
  };
}

/** Whether the device is in the scope. `scope` must have been parsed. */
export function matchesScope(scope: Scope, device: ScopeDevice): boolean {
  if ("all" in scope) return scope.all.every((condition) => matchesScope(condition, device));
  if ("any" in scope) return scope.any.some((condition) => matchesScope(condition, device));
  if ("not" in scope) return !matchesScope(scope.not, device);
  if ("tag" in scope) return device.tags.has(scope.tag);
  if ("package" in scope) return device.packages.has(scope.package);
  if ("buildId" in scope) return device.buildIds.has(scope.buildId);
  if ("readiness" in scope) return device.readiness === scope.readiness;
  if ("system" in scope) return beginsWith(device.system, scope.system);
  return matchesPattern(device.hostname, scope.hostname);
}

const beginsWith = (text: string, start: string): boolean =>
  text.toLowerCase().startsWith(start.toLowerCase());

/**
 * `*` stands for any characters, letters are compared without case. The part between two stars is
 * looked for once, leftmost: that finds a match whenever there is one.
 */
function matchesPattern(text: string, pattern: string): boolean {
  const [head = "", ...rest] = pattern.toLowerCase().split("*");
  const tail = rest.pop();
  const name = text.toLowerCase();
  if (tail === undefined) return name === head;
  if (!name.startsWith(head) || name.length < head.length + tail.length) return false;
  let from = head.length;
  for (const part of rest) {
    const at = name.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return name.endsWith(tail) && from <= name.length - tail.length;
}

/** Reads a scope. Refuses with `bad-request` what is not one, or is too deep, long or large. */
export function parseScope(value: unknown): Scope | Refusal {
  const budget = { conditions: SCOPE_CONDITIONS_MAX };
  return parseCondition(value, { path: "scope", depth: 1, budget });
}

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly budget: { conditions: number };
}

function parseCondition(value: unknown, place: Place): Scope | Refusal {
  const { path, depth, budget } = place;
  if (depth > SCOPE_DEPTH_MAX) return bad(path, `is more than ${SCOPE_DEPTH_MAX} levels deep`);
  if (--budget.conditions < 0) {
    return bad(path, `is one condition more than ${SCOPE_CONDITIONS_MAX}`);
  }
  const entry = onlyMemberOf(value);
  if (entry === undefined) return bad(path, "must be an object with exactly one member");
  const [name, content] = entry;
  const inner = `${path}.${name}`;
  switch (name) {
    case "all":
    case "any": {
      const list = parseList(content, { ...place, path: inner });
      if (!Array.isArray(list)) return list;
      return name === "all" ? { all: list } : { any: list };
    }
    case "not": {
      const not = parseCondition(content, { path: inner, depth: depth + 1, budget });
      return "refused" in not ? not : { not };
    }
    case "readiness": {
      const readiness = Object.values(Readiness).find((word) => word === content);
      if (readiness === undefined) {
        return bad(inner, `must be one of ${Object.values(Readiness).join(", ")}`);
      }
      return { readiness };
    }
    default:
      return parseText(name, content, path);
  }
}

function parseList(value: unknown, { path, depth, budget }: Place): Scope[] | Refusal {
  if (!Array.isArray(value) || value.length === 0 || value.length > LIST_MAX) {
    return bad(path, `must be a list of 1 to ${LIST_MAX} conditions`);
  }
  const conditions: Scope[] = [];
  for (const [at, content] of value.entries()) {
    const parsed = parseCondition(content, { path: `${path}[${at}]`, depth: depth + 1, budget });
    if ("refused" in parsed) return parsed;
    conditions.push(parsed);
  }
  return conditions;
}

function parseText(name: string, text: unknown, path: string): Scope | Refusal {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  const isText = typeof text === "string" && text !== "" && !/[\x00-\x1f\x7f]/.test(text);
  const checked = isText && text.length <= TEXT_MAX ? text : undefined;
  const inner = `${path}.${name}`;
  if (checked === undefined && TEXT_CONDITIONS.includes(name)) {
    return bad(inner, `must be a text of 1 to ${TEXT_MAX} characters without control characters`);
  }
  const content = checked ?? "";
  switch (name) {
    case "tag":
      return { tag: content };
    case "package":
      return { package: content };
    case "buildId":
      return { buildId: content };
    case "system":
      return { system: content };
    case "hostname":
      return { hostname: content };
    default:
      return bad(inner, "is no condition");
  }
}

const TEXT_CONDITIONS: readonly string[] = ["tag", "package", "buildId", "system", "hostname"];

function onlyMemberOf(value: unknown): [string, unknown] | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  return entries.length === 1 ? entries[0] : undefined;
}

const bad = (path: string, detail: string): Refusal => refuse("bad-request", `${path} ${detail}`);

const PRECEDENCE = { any: 0, all: 1, not: 2, leaf: 3 } as const;

/** One line for people: `tag production and not (package redis or package nginx)`. */
export const describeScope = (scope: Scope): string => describe(scope, PRECEDENCE.any);

function describe(scope: Scope, around: number): string {
  if ("all" in scope || "any" in scope) {
    const [list, word, own] =
      "all" in scope ? [scope.all, " and ", PRECEDENCE.all] : [scope.any, " or ", PRECEDENCE.any];
    if (list.length === 1 && list[0] !== undefined) return describe(list[0], around);
    const text = list.map((condition) => describe(condition, own + 1)).join(word);
    return around > own ? `(${text})` : text;
  }
  if ("not" in scope) return `not ${describe(scope.not, PRECEDENCE.not)}`;
  if ("tag" in scope) return `tag ${quoted(scope.tag)}`;
  if ("package" in scope) return `package ${quoted(scope.package)}`;
  if ("buildId" in scope) return `build-id ${quoted(scope.buildId)}`;
  if ("readiness" in scope) return `readiness ${scope.readiness}`;
  if ("system" in scope) return `system ${quoted(scope.system)}`;
  return `hostname ${quoted(scope.hostname)}`;
}

const quoted = (text: string): string =>
  /^[A-Za-z0-9.:=/*+_-]+$/.test(text) ? text : JSON.stringify(text);
