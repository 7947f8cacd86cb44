import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatCompileCommands, parseCompileCommands } from "./compile-commands.ts";
import { parseArguments, usesLinkTimeOptimisation } from "./compiler-arguments.ts";
import { isBuildRefusal } from "./refusals.ts";
import { splitShellWords } from "./shell-words.ts";

const parse = (value: unknown) =>
  parseCompileCommands(JSON.stringify(value), { base: "/base", exists: () => true });

test("entries with a command line and with arguments mean the same", () => {
  const expected = [
    {
      directory: "/base/build",
      file: "../a.c",
      compiler: "cc",
      options: ["-O2", "-I", "inc", '-DX="y z"'],
      language: "c",
      output: "a.o",
    },
  ];
  const command = `cc -O2 -I inc -DX='"y z"' -MMD -MF a.d -o a.o -c ../a.c`;
  expect(parse([{ directory: "build", file: "../a.c", command }])).toEqual(expected);
  const args = ["cc", "-O2", "-I", "inc", '-DX="y z"', "-o", "a.o", "-c", "../a.c"];
  const commands = parse([{ directory: "build", file: "../a.c", arguments: args }]);
  expect(commands).toEqual(expected);
  if (isBuildRefusal(commands)) throw new Error("refused");
  const again = { base: "/", exists: () => true };
  expect(parseCompileCommands(formatCompileCommands(commands), again)).toEqual(expected);
});

test("response files are read where they are, one within the other, and circles end", () => {
  const files: Readonly<Record<string, string>> = {
    "/base/build/flags.rsp": "-O2 @more.rsp",
    "/base/build/more.rsp": '"-DX=a b"',
    "/base/build/circle.rsp": "@circle.rsp -O1",
  };
  const parsed = (command: string) =>
    parseCompileCommands(JSON.stringify([{ directory: "build", file: "a.c", command }]), {
      base: "/base",
      exists: () => true,
      read: (path) => files[path],
    });
  expect(parsed("cc @flags.rsp -c a.c")).toMatchObject([{ options: ["-O2", "-DX=a b"] }]);
  for (const gone of ["cc @gone.rsp -c a.c", "cc @circle.rsp -c a.c"]) {
    expect(parsed(gone)).toMatchObject({ refused: "bad-compile-commands" });
  }
});

test("what is no list of commands is refused", () => {
  for (const value of [{}, [1], [{ directory: "/x" }], [{ directory: "/x", arguments: [1] }]]) {
    expect(parse(value)).toMatchObject({ refused: "bad-compile-commands" });
  }
  const broken = parseCompileCommands("[", { base: "/", exists: () => true });
  expect(broken).toMatchObject({ refused: "bad-compile-commands" });
});

test.each([
  [["-c", "a.c"], ["c"], true, false],
  [["a.c", "-o", "a"], ["c"], true, true],
  [["-E", "a.c"], ["c"], false, false],
  [["-x", "c", "-", "a.txt"], ["c"], true, true],
  [["-c", "a.S"], ["assembly"], true, false],
  [["-c", "a.cpp"], ["c++"], true, false],
  [["a.o", "b.a", "-o", "p"], [], false, true],
  [["-include", "x.c", "-c", "a.c"], ["c"], true, false],
  [["-MF", "a.c", "-c", "b.c"], ["c"], true, false],
  [["-M", "a.c"], ["c"], false, false],
] as const)("%j", (args, languages, compiles, links) => {
  const parsed = parseArguments(args);
  expect(parsed.sources.map(({ language }) => language)).toEqual(languages);
  expect([parsed.compiles, parsed.links]).toEqual([compiles, links]);
});

test("link-time optimisation is seen, and seen to be switched off again", () => {
  expect(usesLinkTimeOptimisation(["-O2", "-flto=auto"])).toBe(true);
  expect(usesLinkTimeOptimisation(["-flto", "-fno-lto"])).toBe(false);
  expect(usesLinkTimeOptimisation(["-ffat-lto-objects"])).toBe(false);
});

test("words are split as the shell splits them", () => {
  const word = fc.string({ unit: fc.constantFrom("a", " ", "'", '"', "\\", "=", "/") });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const single = words.map((text) => `'${text.replaceAll("'", "'\\''")}'`).join(" ");
      expect(splitShellWords(single)).toEqual(words);
      const double = words.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join("  ");
      expect(splitShellWords(double)).toEqual(words);
    }),
  );
  const line = `a\\ b "c\\"d" 'e\\f' g"h"'i' ""`;
  const shell = execFileSync("sh", ["-c", `printf '%s\\n' ${line}`], { encoding: "utf8" });
  expect(splitShellWords(line)).toEqual(shell.split("\n").slice(0, -1));
});
