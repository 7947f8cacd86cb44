/** What root makes for the agent: its folders, and the files that both halves read. */
import { chmod, chown, mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { folderFiles } from "@suture/release";
import type { AgentFolders } from "./folders.ts";

/** Makes the folders, each for its owner. Those that are there get the right owner and mode. */
export async function makeAgentFolders(
  { settings, executor, network, spool }: AgentFolders,
  user: { readonly uid: number; readonly gid: number },
): Promise<void> {
  await mkdir(dirname(settings), { recursive: true, mode: 0o755 });
  for (const folder of [executor, network, spool]) await mkdir(folder, { recursive: true });
  await chmod(executor, 0o700);
  await chmod(network, 0o700);
  await chmod(spool, 0o755);
  await chown(network, user.uid, user.gid);
  await chown(spool, user.uid, user.gid);
}

/** Writes a file of root's that the network half may read; atomic and durable. */
export const writeRootFile = async (file: string, bytes: Uint8Array): Promise<void> =>
  await folderFiles(dirname(file)).write(basename(file), bytes);
