/** Faults of redis that a client can show from outside without any harm to the server. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect } from "node:net";
import { ErrorReply, encodeCommand, type Reply, RespConnection } from "./resp.ts";
import type { Trigger } from "./scene.ts";

/**
 * A stream whose two consumers share one pending entry, from the test of CVE-2026-66373
 * (tests/integration/corrupt-dump.tcl of redis). It does harm only when it is read again.
 */
const SHARED_ENTRY = Buffer.from(
  "0f01100000000000000001000000000000000025250000000a00010100010101856669656c640600010201000100018576" +
    "616c7565060401ff01010001076d7967726f7570010001000000000000000100000000000000004a79898f9f010000" +
    "010209636f6e73756d6572414a79898f9f010000010000000000000001000000000000000009636f6e73756d657242" +
    "5479898f9f01000001000000000000000100000000000000000900f6ea7b6cb8b8d8b4",
  "hex",
);

/** Commands that a client writes and whose replies it never reads: some 40 MB of replies. */
const UNREAD_COMMANDS = 1_000_000;

export const REDIS_TRIGGERS: readonly Trigger[] = [
  {
    name: "CVE-2026-66373",
    cve: "CVE-2026-66373",
    patch: "CVE-2026-66373.patch",
    what: "RESTORE of a stream whose consumers share a pending entry",
    faulty: "OK",
    fixed: "ERR Bad data format",
    show: (port) =>
      withConnection(port, async (connection) => {
        await connection.send("DEBUG", "set-skip-checksum-validation", "1");
        const reply = await connection.send("RESTORE", "suture:trigger", "0", SHARED_ENTRY);
        await connection.send("DEBUG", "set-skip-checksum-validation", "0");
        await connection.send("DEL", "suture:trigger");
        return inWords(reply);
      }),
  },
  {
    name: "CVE-2024-51741",
    cve: "CVE-2024-51741",
    patch: "0002-Fix-Read-Write-key-pattern-selector-CVE-2024-51741-1.patch",
    what: "ACL SETUSER foo '(%~)'",
    faulty: "OK",
    fixed: "ERR Error in ACL SETUSER modifier",
    show: (port) =>
      withConnection(port, async (connection) => {
        const reply = await connection.send("ACL", "SETUSER", "suture-trigger", "(%~)");
        await connection.send("ACL", "DELUSER", "suture-trigger");
        return inWords(reply);
      }),
  },
  {
    name: "CVE-2025-21605",
    cve: "CVE-2025-21605",
    patch: "0001-Limiting-output-buffer-for-unauthenticated-client-CV.patch",
    what: "an unauthenticated client that never reads its replies",
    faulty: "stays connected",
    fixed: "is disconnected",
    show: (port) =>
      withConnection(port, async (connection) => {
        await connection.send("CONFIG", "SET", "requirepass", "suture-trigger");
        try {
          return await neverRead(port);
        } finally {
          await connection.send("CONFIG", "SET", "requirepass", "");
        }
      }),
  },
];

async function withConnection<Value>(
  port: number,
  use: (connection: RespConnection) => Promise<Value>,
): Promise<Value> {
  const connection = await RespConnection.open({ name: "trigger", port });
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

export const inWords = (reply: Reply): string =>
  reply instanceof ErrorReply ? reply.message : String(reply);

/** Writes and never reads. The server either takes it all or closes the connection. */
async function neverRead(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.pause();
  let closed = false;
  socket.on("error", () => {
    closed = true;
  });
  try {
    await once(socket, "connect");
    const batch = Buffer.concat(
      Array.from({ length: 1000 }, () => encodeCommand(["SET", "x", "5"])),
    );
    for (let sent = 0; sent < UNREAD_COMMANDS && !closed; sent += 1000) {
      if (!socket.write(batch)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
    }
    return closed ? "is disconnected" : "stays connected";
  } catch {
    return "is disconnected";
  } finally {
    socket.destroy();
  }
}
