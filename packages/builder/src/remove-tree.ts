/** Removes a folder that may once have held mounts. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { runCommand } from "./run-command.ts";

/**
 * Removes a folder of the cache with all that is in it; nothing happens where it is not there.
 *
 * A mount below it would be another folder of the machine, so that is a bug and ends the program
 * before anything is removed; and no other file system is ever entered.
 */
export async function removeTree(folder: string): Promise<void> {
  const mounts = mountPoints(await readFile("/proc/self/mountinfo", "utf8"));
  const inside = mounts.find((path) => path === folder || path.startsWith(`${folder}/`));
  assert(inside === undefined, `no file system is mounted in ${folder}, which is to be removed`);
  const result = await runCommand(["rm", "-rf", "--one-file-system", "--", folder]);
  if (result.code !== 0) throw new Error(`cannot remove ${folder}: ${result.stderr.trim()}`);
}

/** The fifth field of each line, with blanks and the like as octal numbers (proc(5)). */
export const mountPoints = (mountinfo: string): readonly string[] =>
  mountinfo
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    );
