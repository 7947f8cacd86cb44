import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkDebugFile, debugFileCandidates, parseDebugLink } from "./debug-file.ts";
import { compile, createFolder, hasPrograms, runQuietly } from "./elf-fixtures.ts";
import { type ElfFile, parseElf, sectionByName, sectionBytes } from "./file.ts";
import { buildId } from "./note.ts";
import { dynamicSymbols, symbolTable } from "./symbol.ts";

const folder = createFolder("debug");
afterAll(() => rmSync(folder, { recursive: true }));

/** A program split into the stripped file and its debug file. */
function split(name: string, ...flags: string[]): { stripped: ElfFile; debug: ElfFile } {
  const source = `int twice(int x) { return 2 * x; } int main(void) { return twice(${name.length}); }`;
  const path = compile(folder, { name, source, flags: ["-g", "-O1", ...flags] });
  const debug = join(folder, `${name}.debug`);
  runQuietly("objcopy", "--only-keep-debug", path, debug);
  runQuietly("objcopy", "--strip-all", `--add-gnu-debuglink=${debug}`, path);
  return { stripped: parseElf(readFileSync(path)), debug: parseElf(readFileSync(debug)) };
}

describe.skipIf(!hasPrograms("gcc", "objcopy"))("separate debug files", () => {
  const withId = split("with-id", "-Wl,--build-id");
  const other = split("other-program", "-Wl,--build-id");
  const withoutId = split("without-id", "-Wl,--build-id=none");
  const alsoWithoutId = split("another-without-id", "-Wl,--build-id=none");

  test("are looked for where GDB looks", () => {
    const id = buildId(withId.stripped) ?? "";
    const at = { path: "/usr/bin/with-id", debugFolders: ["/usr/lib/debug", "/srv/debug"] };
    expect(debugFileCandidates(withId.stripped, at)).toEqual([
      `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`,
      `/srv/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`,
      "/usr/bin/with-id.debug",
      "/usr/bin/.debug/with-id.debug",
      "/usr/lib/debug/usr/bin/with-id.debug",
      "/srv/debug/usr/bin/with-id.debug",
    ]);
    expect(debugFileCandidates(withoutId.stripped, { path: "/x/y" })[0]).toBe(
      "/x/without-id.debug",
    );
  });

  test("fit by Build-ID, or by checksum where there is none", () => {
    expect(checkDebugFile(withId.stripped, withId.debug)).toBeUndefined();
    expect(checkDebugFile(withId.stripped, other.debug)).toBe("other-build-id");
    expect(checkDebugFile(withId.stripped, withoutId.debug)).toBe("other-build-id");
    expect(checkDebugFile(withoutId.stripped, withoutId.debug)).toBeUndefined();
    expect(checkDebugFile(withoutId.stripped, alsoWithoutId.debug)).toBe("other-checksum");
    expect(checkDebugFile(withoutId.debug, withoutId.debug)).toBe("nothing-to-compare");
  });

  test("give symbols for the stripped file", () => {
    expect(symbolTable(withId.stripped)).toEqual([]);
    const symbol = symbolTable(withId.debug).find(({ name }) => name === "twice");
    const text = sectionByName(withId.stripped, ".text") ?? expect.fail("no .text");
    expect(symbol?.st_value).toBeGreaterThanOrEqual(text.sh_addr);
    expect(symbol?.st_value).toBeLessThan(text.sh_addr + text.sh_size);
    expect(dynamicSymbols(withId.debug)).toEqual([]);
    expect(dynamicSymbols(withId.stripped).length).toBeGreaterThan(1);
  });

  test("a link name that leads elsewhere is not followed", () => {
    const elf = withoutId.stripped;
    const section = sectionByName(elf, ".gnu_debuglink") ?? expect.fail("no link");
    sectionBytes(elf, section).set(Buffer.from("../../etc/\0"));
    expect(parseDebugLink(elf)?.name).toBe("../../etc/");
    expect(debugFileCandidates(elf, { path: "/usr/bin/x" })).toEqual([]);
  });
});
