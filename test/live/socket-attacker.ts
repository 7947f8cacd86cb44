/**
 * A program that owns another user's rights and a socket's path, and sends what it is told.
 *
 *     node socket-attacker.ts SOCKET < lines
 *
 * Each line is one frame's body; `hello` is sent first. For each it prints the answer's keys or the
 * error's code. It imports nothing of ours: an attacker would not either.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const SOCKET_ATTACKER = fileURLToPath(import.meta.url);

async function main(path: string): Promise<void> {
  const socket = connect(path);
  let buffered = Buffer.alloc(0);
  let take: ((text: string) => void) | undefined;
  const deliver = (): void => {
    if (take === undefined || buffered.length < 4) return;
    const length = buffered.readUInt32BE();
    if (buffered.length < 4 + length) return;
    const body = buffered.toString("utf8", 4, 4 + length);
    buffered = buffered.subarray(4 + length);
    take(body);
    take = undefined;
  };
  socket.on("data", (bytes) => {
    buffered = Buffer.concat([buffered, bytes]);
    deliver();
  });
  const gone = (): void => take?.('{"error":{"code":"closed"}}');
  socket.on("error", gone);
  socket.on("close", gone);
  for await (const line of createInterface({ input: process.stdin })) {
    const body = Buffer.from(line);
    const header = Buffer.alloc(4);
    header.writeUInt32BE(body.length);
    const answer = new Promise<string>((resolve) => {
      take = resolve;
      if (socket.destroyed) gone();
      else deliver();
    });
    socket.write(Buffer.concat([header, body]));
    const { answer: found, error } = JSON.parse(await answer);
    console.log(error ? error.code : Object.keys(found).join());
  }
  socket.destroy();
}

if (import.meta.main) await main(process.argv[2] ?? "");
