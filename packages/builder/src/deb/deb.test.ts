import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { onlySuite, parseSources, withSourceLines, withSourcePackages } from "./apt-sources.ts";
import { suitesIn } from "./archive.ts";
import { buildDepCommand } from "./build-dependencies.ts";
import { sourceVersions } from "./choose-versions.ts";
import { parseControlRecords } from "./control-records.ts";
import { compareVersions } from "./version.ts";

const hasDpkg = spawnSync("dpkg", ["--version"]).status === 0;
if (!hasDpkg) console.warn("SKIPPED: versions are not compared with dpkg, which is not installed");

test.skipIf(!hasDpkg && process.env.CI === undefined)(
  "versions are ordered as dpkg orders them",
  () => {
    const part = fc.string({
      unit: fc.constantFrom("0", "1", "9", "a", "Z", "~", "+", "."),
      maxLength: 5,
    });
    const version = fc
      .tuple(
        fc.constantFrom("", "0:", "1:"),
        part,
        fc.constantFrom("", "-1", "-0", "-1~deb12u1", "-1+b1"),
      )
      .map(([epoch, middle, revision]) => `${epoch}1${middle}${revision}`);
    fc.assert(
      fc.property(version, version, (a, b) => {
        const dpkg = (operator: string) =>
          spawnSync("dpkg", ["--compare-versions", a, operator, b]).status === 0;
        const found = Math.sign(compareVersions(a, b));
        expect({ a, b, found }).toEqual({ a, b, found: dpkg("lt") ? -1 : dpkg("gt") ? 1 : 0 });
      }),
      { numRuns: 100 },
    );
  },
);

test("known orders", () => {
  const sorted = [
    "1:1.0~rc1-1",
    "1:1.0-1~deb12u7",
    "1:1.0-1~deb12u10",
    "1:1.0-1",
    "1:1.0a-1",
    "2:0",
  ];
  expect([...sorted].reverse().sort(compareVersions)).toEqual(sorted);
});

test("sources get their source packages, and keep keys and comments out of the way", () => {
  const text = `# a comment
Types: deb
# another
URIs: http://archive.example/debian
Suites: stable stable-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Enabled: no
Types: deb
URIs: http://off.example/
`;
  const result = withSourcePackages(text);
  expect(result).toContain("types: deb deb-src\n");
  expect(result).toContain("signed-by:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n");
  expect(result).not.toContain("off.example");
});

test("one-line sources get their source packages once", () => {
  const text =
    "# x\ndeb [signed-by=/k] http://a.example stable main\ndeb-src [signed-by=/k] http://a.example stable main\n";
  expect(withSourceLines(text)).toBe(
    "deb [signed-by=/k] http://a.example stable main\ndeb-src [signed-by=/k] http://a.example stable main\n",
  );
});

const showsrc = (version: string, binary = "redis"): string => `Package: redis
Binary: redis, redis-server
Version: ${version}
Checksums-Sha256:
 ${"b".repeat(64)} 1960 redis.orig.tar.gz
 ${"a".repeat(64)} 1960 redis.dsc
Package-List:
 ${binary} deb database optional arch=all
 redis-server deb database optional arch=any
 redis-arm deb database optional arch=arm64
 redis-udeb udeb database optional arch=any
`;

test("source records give versions from the oldest on, with what is made for this machine", () => {
  const records = parseControlRecords(
    ["5:7.0.15-1~deb12u10", "5:7.0.15-1~deb12u7", "5:7.0.15-1~deb12u10"]
      .map((version) => showsrc(version))
      .join("\n"),
  );
  expect(sourceVersions(records, "redis-server")).toEqual(
    ["5:7.0.15-1~deb12u7", "5:7.0.15-1~deb12u10"].map((version) => ({
      name: "redis",
      version,
      dscSha256: "a".repeat(64),
      binaries: ["redis-server"],
    })),
  );
  expect(sourceVersions([], "redis")).toEqual([]);
});

test("build dependencies are installed for the source, without tests' and documents' needs", () => {
  const options = ["-o", "Dir::Cache=/var/cache/a b"];
  const words = buildDepCommand("/var/cache/a b/source", options);
  expect(words.join(" ")).toContain(`${options.join(" ")} build-dep`);
  expect(words.at(-1)).toBe("/var/cache/a b/source");
  expect(words).toContain("nocheck,nodoc");
  expect(words).toContain("--no-install-recommends");
});

const records = `types: deb deb-src
uris: http://a.example/debian
suites: stable stable-updates
components: main contrib
signed-by: /usr/share/keyrings/a.gpg

types: deb-src
uris: http://b.example
suites: other
components: main
`;

test("the suites with binary packages are read from both formats, in their order", () => {
  const common = { uri: "http://a.example/debian", components: ["main", "contrib"] };
  const signedBy = "/usr/share/keyrings/a.gpg";
  expect(parseSources(records, "1.sources")).toEqual([
    { ...common, suite: "stable", signedBy },
    { ...common, suite: "stable-updates", signedBy },
  ]);
  const lines = `deb-src http://b.example other main
deb [arch=amd64 signed-by=${signedBy}] http://a.example/debian stable main contrib # comment
deb http://a.example/debian stable-updates main contrib
`;
  expect(parseSources(lines, "2.list")).toEqual([
    { ...common, suite: "stable", signedBy },
    { ...common, suite: "stable-updates" },
  ]);
});

test("one suite's sources are the others' left out", () => {
  const only = onlySuite(records, "1.sources", "stable-updates");
  expect(only).toBe(`types: deb
uris: http://a.example/debian
suites: stable-updates
components: main contrib
signed-by: /usr/share/keyrings/a.gpg
`);
  const lines = "deb-src http://b.example stable main\ndeb [x=y] http://b.example stable main\n";
  expect(onlySuite(lines, "2.list", "stable")).toBe("deb [x=y] http://b.example stable main\n");
});

test("the suites that serve a source are read from apt-cache's table", () => {
  const table = `     nginx | 1.22.1-9+deb12u11 | http://a.example/security stable-security/main amd64 Packages
     nginx | 1.22.1-9+deb12u9 | http://a.example/debian stable/main amd64 Packages
     nginx | 1.22.1-9+deb12u9 | http://a.example/debian stable/main Sources
     nginx | 1.22.1-9+deb12u11 | http://a.example/security stable-security/main Sources
`;
  expect(suitesIn(table, "1.22.1-9+deb12u9")).toEqual(["stable"]);
  expect(suitesIn(table, "1.22.1-9+deb12u11")).toEqual(["stable-security"]);
  expect(suitesIn(table, "1.22.1-9")).toEqual([]);
});
