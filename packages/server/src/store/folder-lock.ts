/** One server a data folder. */
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { StoreError } from "./errors.ts";

/**
 * Takes the folder for this process; throws StoreError `folder-in-use` where another one has it.
 *
 * It listens on an abstract Unix socket named after the folder: the kernel gives a name to one
 * process only, and takes it back however that process ends. A lock file would outlive a kill.
 */
export async function lockFolder(folder: string): Promise<{ readonly release: () => void }> {
  const digest = createHash("sha256").update(realpathSync(folder)).digest("hex");
  const server = createServer((socket) => socket.destroy());
  await listen(server, `\0suture-server-${digest}`).catch((error: unknown) => {
    const isInUse = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    if (!isInUse) throw error;
    throw new StoreError("folder-in-use", `another server uses ${folder}`);
  });
  server.unref();
  return { release: () => void server.close() };
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, exclusive: true }, resolve);
  });
