/** Small source trees for tests of whole builds. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildHotpatch } from "./build-hotpatch.ts";
import { isBuildRefusal } from "./refusals.ts";
import type { BuildResult, BuiltHotpatch, TreeRequest } from "./request.ts";

/** The programs that are not installed, said loudly. */
export function missingTools(tools: readonly string[]): readonly string[] {
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
  if (missing.length > 0) console.warn(`SKIPPED: builds need ${missing.join(", ")}`);
  return missing;
}

export interface TreeFixture {
  readonly folder: string;
  readonly source: string;
  readonly path: (name: string) => string;
  readonly run: (...argv: readonly string[]) => string;
  /** A patch file that makes each file of the tree `edit(file)`. */
  readonly writePatch: (edits: Readonly<Record<string, (text: string) => string>>) => string;
  /** `server` of the tree, built with `make -B`, unless the changes say otherwise. */
  readonly build: (changes: Partial<TreeRequest>) => Promise<BuildResult>;
  readonly remove: () => void;
}

/** Writes a source tree with a Makefile into a new folder with a blank in its name. */
export function createTree(sources: Readonly<Record<string, string>>): TreeFixture {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "suture tree-")));
  const source = join(folder, "source");
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), text);
  }
  return {
    folder,
    source,
    path: (name) => join(folder, name),
    run: (program = "", ...args) =>
      execFileSync(program, args, { cwd: source, encoding: "utf8", stdio: "pipe" }),
    writePatch: (edits) => {
      const texts = Object.entries(edits).map(([file, edit]) => {
        const before = readFileSync(join(source, file), "utf8");
        const after = edit(before);
        if (after === before) throw new Error(`the edit of ${file} changes nothing`);
        writeFileSync(join(folder, "edited"), after);
        const labels = ["--label", `a/${file}`, "--label", `b/${file}`];
        const argv = ["-u", ...labels, join(source, file), join(folder, "edited")];
        return spawnSync("diff", argv, { encoding: "utf8" }).stdout;
      });
      writeFileSync(join(folder, "fix.patch"), texts.join(""));
      return join(folder, "fix.patch");
    },
    build: (changes) =>
      buildHotpatch(
        {
          kind: "tree",
          source,
          patch: join(folder, "fix.patch"),
          binary: join(source, "server"),
          buildCommand: ["make", "-B"],
          cacheFolder: join(folder, "cache"),
          env: process.env,
          ...changes,
        },
        () => {},
      ),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** The only hotpatch, or the refusal as an error. */
export function built(result: BuildResult): BuiltHotpatch {
  if (isBuildRefusal(result)) throw new Error(JSON.stringify(result, null, 1));
  const [hotpatch, ...others] = result.hotpatches;
  if (others.length > 0) throw new Error(`${others.length} more hotpatches`);
  return hotpatch;
}
