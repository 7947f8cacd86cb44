import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isBuildRefusal } from "../refusals.ts";
import { missingTools } from "../tree-fixture.ts";
import type { Archive } from "./archive.ts";
import { openTestArchive } from "./archive-fixture.ts";
import { obtainRebuild } from "./rebuild.ts";
import type { CachedSource } from "./source-package.ts";

const missing = missingTools(["git", "dpkg-source", "apt-get", "unshare", "setpriv"]);
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("SKIPPED: packages are rebuilt by root only");
const unable = missing.length > 0 || !isRoot;

/** A package without debhelper that builds what git says into its program, as redis does. */
const files: Readonly<Record<string, string>> = {
  "demo.c": "int main(void) { return 0; }\n",
  "debian/changelog": `demo (1.0-1) unstable; urgency=low

  * Made for a test.

 -- A B <a@b.example>  Thu, 01 Jan 2026 00:00:00 +0000
`,
  "debian/control": `Source: demo
Section: misc
Priority: optional
Maintainer: A B <a@b.example>
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: demo
Architecture: any
Description: test
 A test.
`,
  "debian/rules": `#!/usr/bin/make -f
clean:
build build-arch build-indep:
\tgit rev-parse --show-toplevel > revision 2>/dev/null || echo none > revision
\tgcc -O2 -Wl,--build-id -o demo demo.c
binary binary-arch binary-indep: build
\tmkdir -p debian/demo/DEBIAN debian/demo/usr/bin
\tcp demo debian/demo/usr/bin/
\tdpkg-gencontrol -pdemo -Pdebian/demo
\tdpkg-deb --root-owner-group -b debian/demo ..
`,
};

let folder = "";
let source: CachedSource;
let archive: Archive;

beforeAll(async () => {
  if (!unable) archive = await openTestArchive();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture cache-"));
  const tree = join(folder, "deb cache/source");
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), text);
  }
  chmodSync(join(tree, "debian/rules"), 0o755);
  const version = { name: "demo", version: "1.0-1", dscSha256: "", binaries: ["demo"] };
  source = { version, folder: dirname(tree), tree };
});
afterEach(() => rmSync(folder, { recursive: true }));

function edit(name: string, change: (text: string) => string): void {
  const path = join(source.tree, name);
  const text = readFileSync(path, "utf8");
  expect(change(text)).not.toBe(text);
  writeFileSync(path, change(text));
}

describe.skipIf(unable && process.env.CI === undefined)("a rebuild of a package", () => {
  test("works in a folder with blanks, and sees no git checkout above the cache", async () => {
    execFileSync("git", ["init", "-q", folder]);
    const rebuild = await obtainRebuild(source, { archive }, () => {});
    if (isBuildRefusal(rebuild)) throw new Error(JSON.stringify(rebuild, null, 1));
    expect(readFileSync(join(rebuild.root, "revision"), "utf8")).toBe("none\n");
    expect(rebuild.units.map(({ command }) => command.file)).toEqual(["demo.c"]);
    expect(rebuild.linked.map(({ path }) => path)).toContain("demo");
    const steps: string[] = [];
    const again = await obtainRebuild(source, { archive }, (step) => steps.push(step));
    expect({ ...again, buildRoot: undefined }).toEqual({ ...rebuild, buildRoot: undefined });
    expect(steps).toEqual([]);
  });

  test("has its build dependencies in its root, and nothing of them on the machine", async () => {
    const status = readFileSync("/var/lib/dpkg/status");
    const name = ["liblzf-dev", "libsodium-dev", "libuv1-dev", "libcbor-dev"].find(
      (candidate) => spawnSync("dpkg-query", ["-W", candidate]).status !== 0,
    );
    if (name === undefined) throw new Error("the machine has all the packages of this test");
    edit("debian/control", (text) => text.replace("Rules-", `Build-Depends: ${name}\nRules-`));
    edit("debian/rules", (text) => text.replace("\tgcc", `\tdpkg-query -W ${name} > used\n\tgcc`));
    const rebuild = await obtainRebuild(source, { archive }, () => {});
    if (isBuildRefusal(rebuild)) throw new Error(JSON.stringify(rebuild, null, 1));
    expect(readFileSync(join(rebuild.root, "used"), "utf8")).toMatch(
      new RegExp(`^${name}\\b.*\\d`),
    );
    expect(readFileSync("/var/lib/dpkg/status").equals(status)).toBe(true);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("/roots/");
  });

  test("stands at the path that is asked for, and is recorded at its own", async () => {
    edit(
      "demo.c",
      () => "const char *path(void) { return __FILE__; }\nint main(void) { return 0; }\n",
    );
    edit("debian/rules", (text) =>
      text.replace("demo.c", '"$(CURDIR)/demo.c" "-I$(CURDIR)/include"'),
    );
    const buildPath = "/build/some where/demo-1.0";
    const rebuild = await obtainRebuild(source, { archive, buildPath }, () => {});
    if (isBuildRefusal(rebuild)) throw new Error(JSON.stringify(rebuild, null, 1));
    const program = readFileSync(join(rebuild.root, "demo"), "latin1");
    expect(program).toContain(`${buildPath}/demo.c\0`);
    const [unit, ...others] = rebuild.units;
    expect(others).toEqual([]);
    const include = `-I${rebuild.root}/include`;
    expect(unit?.command).toMatchObject({
      file: `${rebuild.root}/demo.c`,
      options: ["-O2", "-Wl,--build-id", include],
    });
    expect(unit?.files).toContain(`${rebuild.root}/demo.c`);
    expect(existsSync("/build/some where")).toBe(false);
    expect(existsSync(join(dirname(rebuild.root), "demo_1.0-1_amd64.deb"))).toBe(true);
  });

  test("is refused where the archive has not what it needs", async () => {
    edit("debian/control", (text) =>
      text.replace("Rules-", "Build-Depends: suture-no-such-package\nRules-"),
    );
    const result = await obtainRebuild(source, { archive }, () => {});
    expect(result).toMatchObject({ refused: "missing-build-dependencies" });
    if (!isBuildRefusal(result)) throw new Error("not refused");
    expect(result.items[0]?.detail).toContain("suture-no-such-package");
  });
});
