import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { alikeKey, type UnitDependencies } from "../changed-units.ts";
import { commandsOfRuns, type RecordedRun } from "../compile-commands.ts";
import { parseElf } from "../engine.ts";
import { readModuleSymbols } from "../module-symbols.ts";
import { isBuildRefusal } from "../refusals.ts";
import { missingTools } from "../tree-fixture.ts";
import { absentUnits } from "./linked-units.ts";

const missing = missingTools(["gcc", "ar"]);

/** Three sources of one name; a static function in each, so that each leaves its name. */
const util = (name: string): string =>
  `static int own(int x) { return x * 3; }\nint (*${name})(int) = own;\n`;
const main = (...names: string[]): string =>
  `${names.map((name) => `extern int (*${name})(int);\n`).join("")}int main(void) { return ${names
    .map((name) => `${name}(1)`)
    .join(" + ")}; }\n`;

let folder = "";
let runs: RecordedRun[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-linked-"));
  runs = [];
  const sources = {
    "one/util.c": util("one"),
    "two/util.c": util("two"),
    "three/util.c": util("three"),
    "program.c": main("one", "two"),
    "other.c": main("three"),
  };
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a command as a build would, and records it. */
function run(words: string, directory = ""): void {
  const argv = words.split(" ");
  const at = join(folder, directory);
  execFileSync(argv[0] ?? "", argv.slice(1), { cwd: at });
  runs.push({ directory: at, argv });
}

function absentFrom(target: string): readonly string[] {
  const compiles = runs.filter(({ argv }) => argv.includes("-c"));
  const commands = commandsOfRuns(compiles, () => true);
  if (isBuildRefusal(commands)) throw new Error(commands.refused);
  const units: UnitDependencies[] = commands.map((command) => ({ command, files: [] }));
  const links = runs.filter(({ argv }) => !argv.includes("-c"));
  const image = parseElf(readFileSync(join(folder, target)));
  const symbols = readModuleSymbols(image, image);
  const absent = absentUnits(join(folder, target), { units, links }, symbols);
  return units
    .filter(({ command }) => absent.has(alikeKey(command)))
    .map(({ command }) => join(command.directory, command.file).slice(folder.length + 1))
    .sort();
}

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("recorded links", () => {
  beforeEach(() => {
    run("gcc -c util.c -o util.o", "one");
    run("gcc -c util.c -o util.o", "two");
    run("gcc -c util.c -o util.o", "three");
    run("gcc -c program.c other.c");
  });

  test("tell which of several sources of one name are in a file, through archives", () => {
    run("ar cr libtwo.a util.o", "two");
    run("gcc -o program program.o one/util.o two/libtwo.a");
    run("gcc -o other other.o three/util.o");
    expect(absentFrom("program")).toEqual(["other.c", "three/util.c"]);
    expect(absentFrom("other")).toEqual(["one/util.c", "program.c", "two/util.c"]);
  });

  test("say nothing of a name whose units they do not account for", () => {
    execFileSync("ar", ["cr", "libtwo.a", "util.o"], { cwd: join(folder, "two") }); // Not recorded.
    run("gcc -o program program.o one/util.o two/libtwo.a");
    expect(absentFrom("program")).toEqual(["other.c"]);
  });

  test("say nothing where a response file hides what is linked", () => {
    writeFileSync(join(folder, "list"), "one/util.o two/util.o");
    run("gcc -o program program.o @list");
    expect(absentFrom("program")).toEqual([]);
  });

  test("say nothing of a file that they did not make", () => {
    run("gcc -o program program.o one/util.o two/util.o");
    execFileSync("mv", ["program", "renamed"], { cwd: folder });
    expect(absentFrom("renamed")).toEqual([]);
  });
});

test.skipIf(missing.length > 0 && process.env.CI === undefined)(
  "a unit compiled twice alike is absent only where neither object is linked",
  () => {
    run("gcc -c util.c -o static.o", "one");
    run("gcc -c util.c -o shared.o", "one");
    run("gcc -c util.c -o util.o", "two");
    run("gcc -c program.c other.c");
    run("gcc -o program program.o one/shared.o two/util.o");
    expect(absentFrom("program")).toEqual(["other.c"]);
  },
);
