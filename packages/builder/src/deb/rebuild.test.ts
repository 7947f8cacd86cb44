import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

  test("is refused where the archive has not what it needs", async () => {
    const control = join(source.tree, "debian/control");
    const text = readFileSync(control, "utf8");
    writeFileSync(control, text.replace("Rules-", "Build-Depends: suture-no-such-package\nRules-"));
    const result = await obtainRebuild(source, { archive }, () => {});
    expect(result).toMatchObject({ refused: "missing-build-dependencies" });
    if (!isBuildRefusal(result)) throw new Error("not refused");
    expect(result.items[0]?.detail).toContain("suture-no-such-package");
  });
});
