import { once } from "node:events";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openPeerCredentials } from "./libc.ts";

test("tells who connected to a Unix socket", async () => {
  const folder = mkdtempSync(join(tmpdir(), "suture-peer-"));
  const path = join(folder, "socket");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const client = connect(path);
  const [socket] = (await once(server, "connection")) as [Socket];
  try {
    const { fd } = Reflect.get(socket, "_handle") as { fd: number };
    const uid = process.getuid?.();
    const gid = process.getgid?.();
    expect(openPeerCredentials()(fd)).toEqual({ pid: process.pid, uid, gid });
  } finally {
    client.destroy();
    socket.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  }
});

test("a descriptor that is no socket has no peer", () => {
  const peerOf = openPeerCredentials();
  expect(peerOf(openSync("/dev/null", "r"))).toBeUndefined();
  expect(peerOf(-1)).toBeUndefined();
});
