/** One run at a time walks a package's tree. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Runs `work` while no other process does so for this folder; throws an Error that names it. */
export async function withWalkLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "walk.lock");
  const owner = existsSync(file) ? (await readFile(file, "utf8")).trim() : "";
  if (owner !== "" && existsSync(`/proc/${owner}`)) {
    throw new Error(`process ${owner} walks ${folder}: wait until it has ended`);
  }
  await rm(file, { force: true });
  await writeFile(file, `${process.pid}\n`, { flag: "wx" });
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}
