import type { Scope } from "@suture/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRefusal } from "./refusal.ts";
import {
  describeScope,
  matchesScope,
  parseScope,
  SCOPE_CONDITIONS_MAX,
  SCOPE_DEPTH_MAX,
  type ScopeDevice,
  scopeDeviceOf,
} from "./scope.ts";

const web: ScopeDevice = {
  tags: new Set(["production", "site:berlin"]),
  packages: new Set(["nginx", "openssl"]),
  buildIds: new Set(["aabbccdd00112233"]),
  readiness: "ready",
  system: "Debian GNU/Linux 12 (bookworm)",
  hostname: "web-07.example.org",
};

test.each<[Scope, boolean, string]>([
  [{ tag: "production" }, true, "tag production"],
  [{ tag: "prod" }, false, "tag prod"],
  [{ package: "nginx" }, true, "package nginx"],
  [{ buildId: "aabbccdd00112233" }, true, "build-id aabbccdd00112233"],
  [{ readiness: "not-ready" }, false, "readiness not-ready"],
  [{ system: "debian gnu/linux 12" }, true, 'system "debian gnu/linux 12"'],
  [{ system: "Linux" }, false, "system Linux"],
  [{ hostname: "WEB-*.example.org" }, true, "hostname WEB-*.example.org"],
  [{ hostname: "web-07" }, false, "hostname web-07"],
  [{ not: { tag: "production" } }, false, "not tag production"],
  [
    { all: [{ tag: "production" }, { any: [{ package: "redis" }, { package: "nginx" }] }] },
    true,
    "tag production and (package redis or package nginx)",
  ],
  [
    {
      any: [{ all: [{ tag: "a" }, { tag: "b" }] }, { not: { any: [{ tag: "c" }, { tag: "d" }] } }],
    },
    true,
    "tag a and tag b or not (tag c or tag d)",
  ],
])("%j is %s for the web server, and reads: %s", (scope, expected, text) => {
  expect(parseScope(scope)).toEqual(scope);
  expect(matchesScope(scope, web)).toBe(expected);
  expect(describeScope(scope)).toBe(text);
});

test("packages of programs that no longer run do not count", () => {
  const component = { file: "/usr/bin/x", outdatedProcesses: 0, hotpatchedProcesses: 0 };
  const device = scopeDeviceOf(
    {
      hostname: "a",
      system: "s",
      kernel: "k",
      processor: "p",
      agentVersion: "1",
      readiness: "ready",
      findings: [],
      components: [
        { ...component, buildId: "aa".repeat(8), package: "redis", processes: 1 },
        { ...component, buildId: "bb".repeat(8), package: "nginx", processes: 0 },
      ],
    },
    ["x"],
  );
  expect([...device.packages]).toEqual(["redis"]);
  expect([...device.buildIds]).toEqual(["aa".repeat(8)]);
});

const nested = (levels: number): unknown =>
  levels === 0 ? { tag: "a" } : { not: nested(levels - 1) };

describe("refuses", () => {
  test.each<[unknown, string]>([
    [null, "scope must be an object with exactly one member"],
    [[], "scope must be an object with exactly one member"],
    [{}, "scope must be an object with exactly one member"],
    [{ tag: "a", package: "b" }, "scope must be an object with exactly one member"],
    [{ all: [] }, "scope.all must be a list of 1 to 20 conditions"],
    [{ any: "x" }, "scope.any must be a list of 1 to 20 conditions"],
    [{ any: Array(21).fill({ tag: "a" }) }, "scope.any must be a list of 1 to 20 conditions"],
    [{ all: [{ tag: "a" }, { colour: "b" }] }, "scope.all[1].colour is no condition"],
    [{ readiness: "fine" }, "scope.readiness must be one of ready, not-ready, not-registered"],
    [{ tag: 7 }, "scope.tag must be a text of 1 to 200 characters without control characters"],
    [
      { hostname: "a\nb" },
      "scope.hostname must be a text of 1 to 200 characters without control characters",
    ],
    [nested(SCOPE_DEPTH_MAX), `scope${".not".repeat(8)} is more than 8 levels deep`],
  ])("%j", (value, detail) => {
    expect(parseScope(value)).toMatchObject({ refused: "bad-request", detail });
  });

  test("a scope with too many conditions", () => {
    const wide = { any: Array(20).fill({ all: Array(20).fill({ tag: "a" }) }) };
    expect(parseScope(wide)).toMatchObject({
      detail: expect.stringContaining(`one condition more than ${SCOPE_CONDITIONS_MAX}`),
    });
  });

  test("and takes what is just within the limits", () => {
    expect(isRefusal(parseScope(nested(SCOPE_DEPTH_MAX - 1)))).toBe(false);
  });
});

const word = fc.constantFrom("a", "b", "c", "with space", 'quo"te', "not", "(");
const scopes = fc.letrec<{ scope: Scope; leaf: Scope }>((tie) => ({
  leaf: fc.oneof(
    word.map((tag) => ({ tag })),
    word.map((name) => ({ package: name })),
    fc.constantFrom("ready" as const, "not-ready" as const).map((readiness) => ({ readiness })),
  ),
  scope: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    tie("scope").map((not) => ({ not })),
    fc.array(tie("scope"), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie("scope"), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
  ),
})).scope;

const devices: fc.Arbitrary<ScopeDevice> = fc.record({
  tags: fc.array(word).map((list) => new Set(list)),
  packages: fc.array(word).map((list) => new Set(list)),
  buildIds: fc.constant(new Set<string>()),
  readiness: fc.constantFrom("ready" as const, "not-ready" as const),
  system: fc.constant("s"),
  hostname: fc.constant("h"),
});

/** Reads the one-line text as people do, `and` before `or`, and says whether it holds. */
function readText(text: string, device: ScopeDevice): boolean {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[()]|[^\s()"]+/g) ?? [];
  let at = 0;
  const take = (token: string): boolean => tokens[at] === token && ++at > 0;
  const either = (): boolean => {
    let holds = both();
    while (take("or")) holds = both() || holds;
    return holds;
  };
  const both = (): boolean => {
    let holds = one();
    while (take("and")) holds = one() && holds;
    return holds;
  };
  const one = (): boolean => {
    if (take("not")) return !one();
    if (take("(")) {
      const holds = either();
      expect(take(")")).toBe(true);
      return holds;
    }
    const name = tokens[at++];
    const raw = tokens[at++] ?? "";
    const value: string = raw.startsWith('"') ? JSON.parse(raw) : raw;
    if (name === "tag") return device.tags.has(value);
    if (name === "package") return device.packages.has(value);
    expect(name).toBe("readiness");
    return device.readiness === value;
  };
  const holds = either();
  expect(at).toBe(tokens.length);
  return holds;
}

test("the text for people says what the scope means", () => {
  fc.assert(
    fc.property(scopes, devices, (scope, device) => {
      expect(readText(describeScope(scope), device)).toBe(matchesScope(scope, device));
    }),
    { numRuns: 1000 },
  );
});

test("what is parsed means what was written, and anything else is refused without an error", () => {
  fc.assert(
    fc.property(scopes, devices, (scope, device) => {
      const parsed = parseScope(JSON.parse(JSON.stringify(scope)));
      if (isRefusal(parsed)) expect(parsed.detail).toMatch(/levels deep|one condition more/);
      else expect(matchesScope(parsed, device)).toBe(matchesScope(scope, device));
    }),
  );
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const parsed = parseScope(value);
      if (isRefusal(parsed)) expect(parsed.detail).toMatch(/^scope/);
    }),
  );
});

test("patterns of host names agree with regular expressions", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
  const patterns = fc.string({
    unit: fc.constantFrom("a", "b", ".", "*"),
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(letters, patterns, (hostname, pattern) => {
      const expression = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
      const found = matchesScope({ hostname: pattern }, { ...web, hostname });
      expect(found).toBe(expression.test(hostname));
    }),
    { numRuns: 2000 },
  );
});
