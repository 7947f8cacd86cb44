/** Passphrases typed on a real terminal: a pseudo-terminal that `script` makes. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const hasScript = spawnSync("script", ["--version"]).status === 0;
const suture = fileURLToPath(new URL("../bin/suture", import.meta.url));

/** Types each answer once its question stands there; gives all that the terminal showed. */
async function typeInto(command: string, answers: readonly [string, string][]): Promise<string> {
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let shown = "";
  const left = [...answers];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    const [next] = left;
    if (next === undefined || !shown.includes(next[0])) return;
    left.shift();
    child.stdin.write(next[1]);
  });
  await new Promise((done) => child.on("close", done));
  return shown;
}

test.skipIf(!hasScript && !process.env.CI)(
  "shows nothing of a passphrase that is typed",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "suture-terminal-"));
    try {
      const file = join(folder, "a.key");
      const shown = await typeInto(`${suture} release keys new ${file}`, [
        ["passphrase for the new key a: ", "correct horsX\u007fe battery\r"],
        ["once more: ", "correct horse battery\r"],
      ]);
      expect(shown).toContain("made key");
      expect(shown).not.toMatch(/horse|battery|correct/);
      expect(await readFile(file, "utf8")).not.toContain("battery");
      const again = await typeInto(`${suture} release keys new ${folder}/b.key`, [
        ["passphrase for the new key b: ", "half a passphrase\u0003"],
      ]);
      expect(again).not.toContain("half");
      await expect(readFile(join(folder, "b.key"))).rejects.toThrow("ENOENT");
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

test("without a terminal it says which options there are", () => {
  const { status, stderr } = spawnSync(
    "setsid",
    ["-w", suture, "release", "keys", "new", join(tmpdir(), "suture-no-terminal.key")],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
  );
  expect(stderr).toContain("give --passphrase-file or --passphrase-fd");
  expect(status).toBe(2);
});
