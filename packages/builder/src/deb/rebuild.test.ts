import { execFileSync } from "node:child_process";
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
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isBuildRefusal } from "../refusals.ts";
import { splitShellWords } from "../shell-words.ts";
import { missingTools } from "../tree-fixture.ts";
import type { Archive } from "./archive.ts";
import { ensureBuildDependencies } from "./build-dependencies.ts";
import { obtainRebuild } from "./rebuild.ts";
import type { CachedSource } from "./source-package.ts";

const missing = missingTools(["gcc", "git", "dpkg-buildpackage", "dpkg-checkbuilddeps"]);

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
const archive: Archive = {
  aptOptions: [],
  env: process.env,
  sourceRecords: async () => [],
  binaryRecords: async () => [],
  fetchSource: async () => undefined,
  fetchBinary: async () => undefined,
};

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

describe.skipIf(missing.length > 0 && process.env.CI === undefined)(
  "a rebuild of a package",
  () => {
    test("works in a folder with blanks, and sees no git checkout above the cache", async () => {
      execFileSync("git", ["init", "-q", folder]);
      const rebuild = await obtainRebuild(source, { archive, mayInstall: false }, () => {});
      if (isBuildRefusal(rebuild)) throw new Error(JSON.stringify(rebuild, null, 1));
      expect(readFileSync(join(rebuild.root, "revision"), "utf8")).toBe("none\n");
      expect(rebuild.units.map(({ command }) => command.file)).toEqual(["demo.c"]);
      expect(rebuild.linked.map(({ path }) => path)).toContain("demo");
      const steps: string[] = [];
      const again = await obtainRebuild(source, { archive, mayInstall: false }, (step) =>
        steps.push(step),
      );
      expect(again).toMatchObject(rebuild);
      expect(steps).toEqual([]);
    });

    test("is refused with the command that installs what is missing, as a shell takes it", async () => {
      const control = join(source.tree, "debian/control");
      const text = readFileSync(control, "utf8");
      writeFileSync(
        control,
        text.replace("Rules-", "Build-Depends: suture-no-such-package\nRules-"),
      );
      const result = await ensureBuildDependencies(
        source.tree,
        { archive, mayInstall: false },
        () => {},
      );
      expect(result).toMatchObject({
        refused: "missing-build-dependencies",
        items: [{ name: "suture-no-such-package" }],
      });
      const words = splitShellWords(result?.next.replace("as root: ", "") ?? "");
      expect(words.slice(0, 2)).toEqual(["apt-get", "build-dep"]);
      expect(words.at(-1)).toBe(source.tree);
      expect(existsSync(words.at(-1) ?? "")).toBe(true);
    });
  },
);
