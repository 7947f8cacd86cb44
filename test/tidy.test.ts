/** The rules of STYLE.md, checked on the repository; and each rule, checked on a bad example. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import * as all from "./tidy/rules.ts";
import { readTree, type SourceFile, treeOf } from "./tidy/source-tree.ts";

const repository = readTree(dirname(dirname(fileURLToPath(import.meta.url))));

const rules = { ...all };

/** For each rule a small tree that breaks it, and words of the complaint. */
const BAD: Readonly<Record<keyof typeof rules, readonly [Record<string, string>, string]>> = {
  packagesImportDownwards: [
    { "packages/engine/src/a.ts": 'import { x } from "@suture/builder";' },
    "engine may not import packages/builder/src/index.ts",
  ],
  packagesAreImportedByName: [
    { "packages/cli/src/a.ts": 'import {\n  x,\n} from "../../engine/src/a.ts";' },
    "import @suture/engine",
  ],
  engineFoldersImportDownwards: [
    { "packages/engine/src/elf/a.ts": 'import type { X } from "../dwarf/b.ts";' },
    "elf may not import dwarf/b.ts",
  ],
  pureFoldersDoNoIo: [
    { "packages/engine/src/link/a.ts": 'import { readFileSync } from "node:fs";' },
    "may not import node:fs",
  ],
  onlyLibcImportsKoffi: [
    { "packages/engine/src/process/a.ts": 'import koffi from "koffi";' },
    "imports koffi",
  ],
  onlyMainReadsTheEnvironment: [
    { "packages/cli/src/a.ts": "export const home = process.env.HOME;" },
    "process.env.HOME belongs in main.ts",
  ],
  relativeImportsNameTheFile: [{ "test/a.ts": 'import "./b";' }, "does not end in .ts"],
  indexFilesStandAtPackageRoots: [{ "packages/engine/src/elf/index.ts": "" }, "root only"],
  importsHaveNoCycle: [
    {
      "test/a.ts": 'export { b } from "./b.ts";',
      "test/b.ts": 'import { c } from "./c.ts";',
      "test/c.ts": 'import type { A } from "./a.ts";',
    },
    "test/a.ts -> test/b.ts -> test/c.ts -> test/a.ts",
  ],
  dependenciesAreDeclared: [
    {
      "package.json": '{"devDependencies":{"vitest":"1"}}',
      "packages/cli/package.json": '{"dependencies":{}}',
      "packages/cli/src/a.test.ts": 'import { test } from "vitest";',
      "packages/cli/src/a.ts": 'import { x } from "yargs/helpers";',
    },
    "yargs is not a declared",
  ],
  lockFileIsComplete: [
    {
      "package-lock.json":
        '{"packages":{"node_modules/a":{"optionalDependencies":{"a-linux":"1","a-mac":"1"}},"node_modules/a-linux":{}}}',
    },
    "node_modules/a wants a-mac",
  ],
  noFileIsDead: [
    {
      "packages/cli/src/main.ts": 'import { b } from "./b.ts";',
      "packages/cli/src/b.ts": "",
      "packages/cli/src/dead.ts": "",
      "packages/cli/src/dead.test.ts": 'import { dead } from "./dead.ts";',
    },
    "packages/cli/src/dead.ts: nothing uses this file",
  ],
  filesAreShort: [{ "test/a.ts": "x;\n".repeat(401) }, "401 lines"],
  namesAreKebabCase: [{ "test/someThing.ts": "" }, "someThing.ts is not kebab-case"],
  noDefaultExport: [{ "test/a.ts": "export default 1;" }, "default export"],
  tasksNameTheirIssue: [{ "test/a.ts": `// ${"TO"}DO: later` }, "without an issue number"],
  linksResolve: [{ "README.md": "# A b\n[x](docs/gone.md)" }, "docs/gone.md does not exist"],
};

const tree = (files: Record<string, string>) =>
  treeOf(Object.entries(files).map(([path, text]): SourceFile => ({ path, text })));

const names = Object.keys(rules) as (keyof typeof rules)[];

describe("the repository is tidy", () => {
  test.each(names)("%s", (name) => {
    expect(rules[name](repository)).toEqual([]);
  });

  test("has files of every package to look at", () => {
    for (const name of ["engine", "builder", "release", "cli"])
      expect(repository.has(`packages/${name}/src`), name).toBe(true);
  });
});

describe("each rule can fail", () => {
  test.each(names)("%s", (name) => {
    const [files, complaint] = BAD[name];
    const complaints = rules[name](tree(files));
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toContain(complaint);
  });

  test("a link may name a heading, which must be there", () => {
    const markdown = "# Exit codes, all\n[x](#exit-codes-all) [y](#none) `[z](gone)`";
    expect(rules.linksResolve(tree({ "README.md": markdown }))).toEqual([
      "README.md: #none names no heading",
    ]);
  });

  test("a folder named for nothing is refused", () => {
    expect(rules.namesAreKebabCase(tree({ "test/utils/a.ts": "" }))).toHaveLength(1);
  });
});
