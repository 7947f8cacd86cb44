import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManifestError } from "./errors.ts";
import type { HotpatchManifest } from "./manifest.ts";
import { parseManifest } from "./manifest-parser.ts";

const good: HotpatchManifest = {
  format: 1,
  id: "redis-server-7.0.15-1~deb12u7-1",
  sequence: 1,
  component: {
    file: "redis-server",
    buildId: "b2bcad6d23563e10222dc42e7a9b0e07f5c56033",
    package: "redis",
    version: "5:7.0.15-1~deb12u7",
  },
  fixes: [
    {
      cves: ["CVE-2026-66373"],
      source: "debian/patches/CVE-2026-66373.patch",
      verdict: "in-hotpatch",
      functions: ["rdbLoadObject"],
    },
    {
      cves: [],
      source: "debian/patches/docs.patch",
      verdict: "nothing-to-do",
      functions: [],
      reason: "no machine code changes",
    },
  ],
  builtFrom: {
    source: "redis 5:7.0.15-1~deb12u7",
    fixedBy: "redis 5:7.0.15-1~deb12u10",
    compiler: "gcc (Debian 12.2.0-14) 12.2.0",
    proof: "identical-build-id",
    units: ["src/rdb.c"],
  },
};

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function failure(bytes: Uint8Array): ManifestError {
  try {
    parseManifest(bytes);
  } catch (error) {
    if (error instanceof ManifestError) return error;
    throw error;
  }
  throw new Error("the manifest was accepted");
}

test("reads back every field of a manifest", () => {
  expect(parseManifest(bytesOf(good))).toEqual(good);
});

describe("names the field that is wrong", () => {
  const long = "x".repeat(5000);
  const cases: readonly (readonly [string, unknown])[] = [
    ["format", { ...good, format: 2 }],
    ["id", { ...good, id: "../../etc/passwd" }],
    ["id", { ...good, id: "a".repeat(121) }],
    ["id", { ...good, id: 7 }],
    ["sequence", { ...good, sequence: 0 }],
    ["sequence", { ...good, sequence: 1.5 }],
    ["sequence", { ...good, sequence: 2 ** 60 }],
    ["surprise", { ...good, surprise: true }],
    ["component", { ...good, component: [] }],
    ["component.buildId", { ...good, component: { ...good.component, buildId: "B2BC" } }],
    ["component.file", { ...good, component: { ...good.component, file: "../x" } }],
    ["component.package", { ...good, component: { ...good.component, package: "a b" } }],
    ["component.version", { ...good, component: { ...good.component, version: "1;rm" } }],
    ["fixes", { ...good, fixes: {} }],
    ["fixes[0]", { ...good, fixes: [null] }],
    ["fixes[0].cves", { ...good, fixes: [{ ...good.fixes[0], cves: ["CVE-1"] }] }],
    ["fixes[0].verdict", { ...good, fixes: [{ ...good.fixes[0], verdict: "fine" }] }],
    ["fixes[0].functions[0]", { ...good, fixes: [{ ...good.fixes[0], functions: [""] }] }],
    ["fixes[0].source", { ...good, fixes: [{ ...good.fixes[0], source: "\u001b[2J" }] }],
    ["fixes[0].reason", { ...good, fixes: [{ ...good.fixes[0], reason: long }] }],
    ["builtFrom.proof", { ...good, builtFrom: { ...good.builtFrom, proof: "trust me" } }],
    ["builtFrom.units[0]", { ...good, builtFrom: { ...good.builtFrom, units: [1] } }],
  ];
  test.each(cases)("%s", (field, value) => {
    expect(failure(bytesOf(value))).toMatchObject({ code: "manifest-field", field });
  });

  test("a missing field", () => {
    const { component: _, ...rest } = good;
    expect(failure(bytesOf(rest))).toMatchObject({ code: "manifest-field", field: "component" });
  });
});

test("a field named as something every object has is unknown, not inherited", () => {
  const text = JSON.stringify(good).replace("{", '{"__proto__":{},');
  expect(failure(new TextEncoder().encode(text))).toMatchObject({ field: "__proto__" });
  const inherited = JSON.stringify(good).replace(/"component":\{[^}]*\},/, "");
  expect(failure(new TextEncoder().encode(inherited))).toMatchObject({ field: "component" });
});

test("bytes that are no JSON object are said to be none", () => {
  for (const text of ["", "[]", "null", '"x"', "{", JSON.stringify(good).slice(0, -1)]) {
    expect(failure(new TextEncoder().encode(text)).code).toBe("manifest-not-json");
  }
  expect(failure(new Uint8Array([0xff, 0xfe, 0x7b])).code).toBe("manifest-not-json");
  expect(failure(new Uint8Array(5 * 1024 * 1024)).code).toBe("manifest-too-large");
});

test("any bytes give a manifest or a ManifestError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(failure(bytes)).toBeInstanceOf(ManifestError);
    }),
  );
  const whole = bytesOf(good);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (offset, byte) => {
      const altered = whole.slice();
      altered[offset] = byte;
      try {
        parseManifest(altered);
      } catch (error) {
        expect(error).toBeInstanceOf(ManifestError);
      }
    }),
    { numRuns: 2000 },
  );
});
