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
import { compileUnit, readDependencies } from "./compile-unit.ts";
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

test("a response file counts as it was when the command ran", async () => {
  writeFileSync(join(folder, "a.c"), "int a;\n");
  writeFileSync(join(folder, "b.c"), "int b;\n");
  writeFileSync(join(folder, "args.rsp"), `-DX=\\"a\\ b\\" "-DY='1 2'" a.c\n`);
  const script = `gcc -O2 @args.rsp -c && echo -O1 b.c >args.rsp && gcc -c @args.rsp && rm args.rsp`;
  const commands = await record(["sh", "-c", script]);
  expect(commands.map(({ file, options }) => [file, options])).toEqual([
    ["a.c", ["-O2", '-DX="a b"', "-DY='1 2'"]],
    ["b.c", ["-O1"]],
  ]);
});

test("a response file that nobody could read is refused by its name", () => {
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

const script = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
};

test("what a compiler cache has already counts, and what it compiles counts once", async () => {
  const programs = join(folder, "programs");
  mkdirSync(programs);
  writeFileSync(join(folder, "a.c"), "int a;\n");
  const path = `${programs}:${process.env.PATH}`;
  script("programs/ccache", "case $1 in -*) exit 0; esac\necho cached >a.o");
  const cached = ["sh", "-c", "ccache --version && ccache gcc -O2 -c a.c -o a.o"];
  const expected = [{ file: "a.c", compiler: "gcc", options: ["-O2"], output: "a.o" }];
  expect(await record(cached, path)).toMatchObject(expected);
  // It preprocesses first, and compiles what came of it into a file of its own.
  script(
    "programs/ccache",
    'case $1 in -*) exit 0; esac\n"$@" -E >a.i && "$1" -O2 -c a.i -o tmp.o && mv tmp.o a.o',
  );
  expect(await record(cached, path)).toMatchObject(expected);
  const absolute = ["sh", "-c", 'ccache "$(command -v gcc)" -O2 -c a.c -o a.o'];
  expect(await record(absolute, path)).toMatchObject(expected);
  expect(await record(absolute, path)).toHaveLength(1);
});

test("libtool's two objects of one source are two units, and a third with other flags too", async () => {
  script(
    "libtool",
    `shift; cc=$1; shift
mkdir -p .libs
$cc "$@" -fPIC -DPIC -o .libs/a.o && $cc "$@" -o a.o >/dev/null 2>&1`,
  );
  writeFileSync(join(folder, "a.c"), "int a;\n");
  const build =
    "./libtool --mode=compile gcc -O2 -MT a.lo -MD -MP -MF a.Tpo -c a.c && gcc -O1 -c a.c -o a.o";
  const commands = await record(["sh", "-c", build]);
  expect(commands.map(({ options, output }) => [options, output])).toEqual([
    [["-O1"], "a.o"],
    [["-O2", "-fPIC", "-DPIC"], ".libs/a.o"],
    [["-O2"], "a.o"],
  ]);
});

test("a build that found the compiler's absolute path first is recorded, as with cmake and meson", async () => {
  writeFileSync(join(folder, "a.c"), "int a;\n");
  const build = 'cc=$(command -v x86_64-linux-gnu-gcc) && cd / && "$cc" -c "$1/a.c" -o "$1/a.o"';
  expect(await record(["sh", "-c", build, "sh", folder])).toMatchObject([
    { compiler: "x86_64-linux-gnu-gcc", file: join(folder, "a.c"), directory: "/" },
  ]);
});

test("a header folder that the environment names is part of the command", async () => {
  mkdirSync(join(folder, "headers"));
  writeFileSync(join(folder, "headers/only-there.h"), "#define VALUE 7\n");
  writeFileSync(join(folder, "a.c"), '#include "only-there.h"\nint a = VALUE;\n');
  const [command] = await record(["sh", "-c", `CPATH=${folder}/headers gcc -c a.c`]);
  if (command === undefined) throw new Error("nothing was recorded");
  const place = { recordedRoot: folder, root: folder, env: process.env };
  const object = join(folder, "again.o");
  expect(await compileUnit(command, place, object)).toMatchObject({ code: 0 });
  expect(await readDependencies(command, place)).toContain(join(folder, "headers/only-there.h"));
});

test("the outermost makes are recorded with what was set for them, and the archivers in order", async () => {
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "sub/a.c"), "int a;\n");
  writeFileSync(join(folder, "Makefile"), "all:\n\t$(MAKE) -C sub\n");
  writeFileSync(
    join(folder, "sub/Makefile"),
    "all: a.o\n\tar cr liba.a a.o\n\tranlib liba.a\n\tgcc -shared -o liba.so a.o\n",
  );
  // Like debian/rules: a script of make's that calls another.
  writeFileSync(join(folder, "rules"), "#!/usr/bin/make -f\nbuild:\n\t$(MAKE) LIBS=-lm all\n", {
    mode: 0o755,
  });
  const wrapper = await createCompilerWrapper(join(folder, "w"), { env: process.env });
  const asks = "make -Rrnpsf Makefile x; make --version >v; ";
  const build = ["sh", "-c", `${asks}./rules build && CFLAGS=-O3 make -C sub -B`];
  expect(await runCommand(build, { cwd: folder, env: wrapper.env })).toMatchObject({ code: 0 });
  const makes = await wrapper.readMakeRuns();
  expect(makes).toEqual([
    { directory: folder, argv: ["make", "LIBS=-lm", "all"], env: {} },
    { directory: folder, argv: ["make", "-C", "sub", "-B"], env: { CFLAGS: "-O3" } },
  ]);
  const linked = (await wrapper.readLinkRuns()).map(({ argv }) => argv[0]);
  expect(linked).toEqual(["ar", "ranlib", "gcc", "ar", "ranlib", "gcc"]);
  const compiled = (await wrapper.readRuns()).map(({ argv }) => argv.at(-1));
  expect(compiled).toEqual(["a.c", "a.o", "a.c", "a.o"]);
});
