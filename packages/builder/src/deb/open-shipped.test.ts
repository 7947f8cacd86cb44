import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { privateMounts } from "../build-root.ts";
import { missingTools } from "../tree-fixture.ts";
import { findLinkedFiles } from "./linked-files.ts";
import { openShipped } from "./open-shipped.ts";

const missing = missingTools(["gcc", "strip"]);
const source = `#include <stdio.h>
static int counter = 3;
const char *version(void) { return "1.0"; }
int next(void) { return counter++; }
int main(void) { return puts(version()) + next(); }
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-shipped-"));
  for (const name of ["rebuilt", "shipped"]) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

function build(name: string, text: string, ...options: readonly string[]): string {
  const output = join(folder, name, "program");
  writeFileSync(join(folder, `${name}.c`), text);
  execFileSync("gcc", ["-O2", "-xc", join(folder, `${name}.c`), "-o", output, ...options]);
  return output;
}

/** What ships differs from what is rebuilt by its text and how it is linked. */
async function open(text: string, ...options: readonly string[]) {
  build("rebuilt", source, "-Wl,--build-id");
  execFileSync("strip", [build("shipped", text, "-Wl,--build-id", ...options)]);
  const [file] = await findLinkedFiles(join(folder, "shipped"));
  if (file === undefined) throw new Error("nothing was linked");
  const names = [file.path];
  const shipped = { ...file, absolute: join(folder, "shipped", file.path), names, services: [] };
  const root = join(folder, "rebuilt");
  const linked = await findLinkedFiles(root);
  const rest = { units: [], makes: [], links: [], env: {}, buildRoot: privateMounts };
  return openShipped(shipped, "program", { root, linked, ...rest });
}

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("a shipped program", () => {
  test("with the rebuild's Build-ID, or only another one, is the rebuild's", async () => {
    expect(await open(source)).toMatchObject({ proof: "identical-build-id" });
    const id = "0123456789abcdef0123456789abcdef01234567";
    const other = await open(source, `-Wl,--build-id=0x${id}`);
    expect(other).toMatchObject({ proof: "identical-sections" });
    if ("refused" in other) throw new Error("refused");
    expect(other.module.symbols.complete).toBe(true);
    expect(other.module.buildId).toBe(id);
  });

  test("in which everything stands elsewhere has no names from the rebuild", async () => {
    const pad = `__attribute__((used)) static const char pad[64] = "x";\n`;
    const moved = await open(pad + source);
    expect(moved).toMatchObject({ proof: "matching-code" });
    if ("refused" in moved) throw new Error("refused");
    expect(moved.module.symbols.complete).toBe(false);
  });

  test("of another source is refused with what differs", async () => {
    const other = source.replace('"1.0"', '"1.0.1"').replace("counter = 3", "counter = 4");
    expect(await open(other)).toMatchObject({
      refused: "not-the-source",
      items: [
        {
          name: "program",
          detail: expect.stringMatching(
            /of \d+ functions and the data these differ: .*version: it uses "1\.0\.1", here "1\.0"; .*\.data: initial values in it differ/,
          ),
        },
      ],
    });
  });
});
