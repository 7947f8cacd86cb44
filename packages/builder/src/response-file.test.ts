import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { splitResponseFile } from "./response-file.ts";

test("words are split as gcc splits them", () => {
  const folder = mkdtempSync(join(tmpdir(), "suture-response-"));
  try {
    const check = (text: string): void => {
      writeFileSync(join(folder, "args"), text);
      // What gcc makes of it shows in the macros that it then knows.
      const argv = ["-E", "-dM", "-x", "c", "/dev/null", `@${join(folder, "args")}`];
      const macros = execFileSync("gcc", argv, { encoding: "utf8" });
      for (const word of splitResponseFile(text)) {
        const [name = "", value = ""] = word.slice(2).split(/=(.*)/s);
        expect(macros).toContain(`#define ${name} ${value}\n`);
      }
    };
    check("-DA=1 -DB=2\n\t-DC=3");
    check(`-DA="a b" '-DB=c d' -DC='"e"'`);
    check(String.raw`-DA=a\ b '-DB=it\'s' "-DC=\"x\""`);
    expect(splitResponseFile("  a ''\n")).toEqual(["a", ""]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
