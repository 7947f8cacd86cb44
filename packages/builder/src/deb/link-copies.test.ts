import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CompileCommand } from "../compiler-arguments.ts";
import { linkCopies } from "./link-copies.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-copies-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const command: CompileCommand = {
  directory: "/x",
  file: "a.c",
  compiler: "gcc",
  options: [],
  language: "c",
};

test("copies become links to what they are copies of, and units are made of the originals", async () => {
  for (const tree of ["tree", "built"]) {
    write(`${tree}/src/core/a.c`, "int a;\n");
    write(`${tree}/src/a.c`, "int other;\n");
    write(`${tree}/src/b.h`, "int b;\n");
  }
  write("built/debian/build/src/core/a.c", "int a;\n");
  write("built/debian/build/src/b.h", "int b; /* changed by the build */\n");
  write("built/debian/build/config.h", "#define X\n");
  const built = (path: string): string => join(folder, "built", path);
  const files = [
    built("debian/build/src/core/a.c"),
    built("debian/build/src/b.h"),
    built("debian/build/config.h"),
    built("src/a.c"),
    "/usr/include/stdio.h",
  ];
  const place = { root: built(""), tree: join(folder, "tree") };
  const root = place.root.replace(/\/$/, "");
  const [unit] = await linkCopies([{ command, files }], { ...place, root });
  expect(unit?.files).toEqual([built("src/core/a.c"), ...files.slice(1)].sort());
  const copy = files[0] ?? "";
  expect(readlinkSync(copy)).toBe("../../../../src/core/a.c");
  writeFileSync(built("src/core/a.c"), "int fixed;\n");
  expect(readFileSync(copy, "utf8")).toBe("int fixed;\n");
  for (const file of files.slice(1, 4)) expect(lstatSync(file).isFile()).toBe(true);
});

test("a copy in a folder of another name is linked, and one of two alike files is not", async () => {
  for (const tree of ["tree", "built"]) {
    write(`${tree}/program/lib/a.c`, "int a;\n");
    write(`${tree}/.pc/some.patch/program/lib/a.c`, "int a;\n");
    write(`${tree}/one/same.c`, "int same;\n");
    write(`${tree}/two/same.c`, "int same;\n");
  }
  write("built/src/lib/a.c", "int a;\n");
  write("built/src/same.c", "int same;\n");
  const built = (path: string): string => join(folder, "built", path);
  const files = [built("src/lib/a.c"), built("src/same.c")];
  const place = { root: join(folder, "built"), tree: join(folder, "tree") };
  const [unit] = await linkCopies([{ command, files }], place);
  expect(unit?.files).toEqual([built("program/lib/a.c"), built("src/same.c")]);
  expect(lstatSync(built("src/same.c")).isFile()).toBe(true);
});
