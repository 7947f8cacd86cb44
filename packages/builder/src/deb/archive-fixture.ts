/** The machine's archive for tests, in the cache that the command itself uses. */
import { mkdirSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { isBuildRefusal } from "../refusals.ts";
import { type Archive, openArchive } from "./archive.ts";

/** One cache for all tests and `npm start`: the base root is made once. */
export async function openTestArchive(): Promise<Archive> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "suture/deb");
  mkdirSync(cache, { recursive: true });
  const folder = join(realpathSync(cache), "apt");
  const archive = await openArchive({ folder, env: process.env, options: {} }, () => {});
  if (isBuildRefusal(archive)) throw new Error(JSON.stringify(archive, null, 1));
  return archive;
}
