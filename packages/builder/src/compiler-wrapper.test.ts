import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commandsOfRuns } from "./compile-commands.ts";
import type { CompileCommand } from "./compiler-arguments.ts";
import { createCompilerWrapper } from "./compiler-wrapper.ts";
import { isBuildRefusal } from "./refusals.ts";
import { runCommand } from "./run-command.ts";

let folder = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "suture-wrapper-")));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a command in the folder under a wrapper and gives what was compiled. */
async function record(argv: readonly string[], path?: string): Promise<readonly CompileCommand[]> {
  const wrapper = await createCompilerWrapper(join(folder, "wrapper dir's"), {
    env: { ...process.env, ...(path !== undefined && { PATH: path }) },
  });
  const result = await runCommand(argv, { cwd: folder, env: wrapper.env });
  expect(result).toMatchObject({ code: 0 });
  const commands = commandsOfRuns(await wrapper.readRuns(), existsSync);
  if (isBuildRefusal(commands)) throw new Error(JSON.stringify(commands));
  return commands;
}

test("records a parallel make with sources in another folder, spaces and quotes", async () => {
  mkdirSync(join(folder, "src"));
  mkdirSync(join(folder, "out"));
  const names = Array.from({ length: 12 }, (_, index) => `unit${index}`);
  for (const name of names) {
    writeFileSync(join(folder, "src", `${name}.c`), `const char *${name} = TEXT;\n`);
  }
  writeFileSync(
    join(folder, "Makefile"),
    `all: ${names.map((name) => `out/${name}.o`).join(" ")}
out/%.o:
\tcd out && $(CC) -O2 '-DTEXT="a b\\"c"' -MD -MF $*.d -c ../src/$*.c -o $*.o
CC = gcc
`,
  );
  const commands = await record(["make", "-j4"]);
  expect(commands.map(({ file }) => file).sort()).toEqual(
    names.map((name) => `../src/${name}.c`).sort(),
  );
  expect(commands[0]).toMatchObject({
    directory: join(folder, "out"),
    compiler: "gcc",
    options: ["-O2", '-DTEXT="a b\\"c"'],
    language: "c",
    output: "unit0.o",
  });
  expect(existsSync(join(folder, "out", "unit11.o"))).toBe(true);
});

test("a command that compiles two sources and links them counts as two", async () => {
  writeFileSync(join(folder, "a.c"), "int f(void); int main(void) { return f(); }\n");
  writeFileSync(join(folder, "b.c"), "int f(void) { return 0; }\n");
  const commands = await record(["sh", "-c", "cc -O1 a.c b.c -o both && ./both"]);
  expect(commands.map(({ file, output }) => [file, output])).toEqual([
    ["a.c", undefined],
    ["b.c", undefined],
  ]);
});

test("tests of a configure script whose sources are gone do not count", async () => {
  writeFileSync(join(folder, "a.c"), "int a;\n");
  const script = "echo 'int t;' >conftest.c; gcc -c conftest.c; rm conftest.*; gcc -c a.c";
  expect((await record(["sh", "-c", script])).map(({ file }) => file)).toEqual(["a.c"]);
});

test("a compiler that is a script and looks for itself on PATH does not loop", async () => {
  const scripts = join(folder, "scripts");
  mkdirSync(scripts);
  const code = `#!/bin/sh\nPATH=$(echo "$PATH" | sed "s|${scripts}:||")\nexec gcc "$@"\n`;
  writeFileSync(join(scripts, "gcc"), code, { mode: 0o755 });
  writeFileSync(join(folder, "a.c"), "int a;\n");
  const commands = await record(["gcc", "-c", "a.c"], `${scripts}:${process.env.PATH}`);
  expect(commands).toHaveLength(1);
});

test("only compilers that are on PATH are there", async () => {
  const programs = join(folder, "programs");
  mkdirSync(programs);
  for (const name of ["sh", "mktemp"]) symlinkSync(`/bin/${name}`, join(programs, name));
  symlinkSync("/bin/true", join(programs, "clang-99"));
  const wrapper = await createCompilerWrapper(join(folder, "w"), { env: { PATH: programs } });
  const found = await runCommand(["/bin/sh", "-c", "command -v clang-99 gcc"], {
    env: wrapper.env,
  });
  expect(found.stdout).toBe(`${join(folder, "w", "bin", "clang-99")}\n`);
});

test("a response file is refused by its name", async () => {
  const refusal = commandsOfRuns(
    [{ directory: "/x", argv: ["gcc", "-c", "@objects.rsp", "a.c"] }],
    () => true,
  );
  expect(refusal).toMatchObject({
    refused: "bad-compile-commands",
    items: [{ name: "@objects.rsp" }],
  });
  const link = commandsOfRuns(
    [{ directory: "/x", argv: ["gcc", "@objs.rsp", "-o", "p"] }],
    () => true,
  );
  expect(link).toEqual([]);
});
