/** A server with a configuration of its own on the loopback address, asked from outside. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import type { Answer, Subject } from "./behaviour.ts";
import type { Place } from "./trigger.ts";

const START_TIMEOUT_MS = 20_000;
const REPLY_TIMEOUT_MS = 10_000;

export interface ServerCommand {
  readonly args: readonly string[];
  readonly argv0?: string;
}

/** Starts a server and waits until it listens; throws an Error with its words where it ends. */
export async function startServerSubject(
  { file, folder, libraryPath }: Place,
  port: number,
  { args, argv0 }: ServerCommand,
  look: () => Promise<Answer>,
): Promise<Subject> {
  const env = { ...process.env, LD_LIBRARY_PATH: libraryPath.join(":") };
  const named = argv0 === undefined ? {} : { argv0 };
  const child = spawn(file, args, {
    ...{ cwd: folder, env, ...named },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  let words = "";
  child.stderr.on("data", (chunk) => {
    words = `${words}${chunk}`.slice(-500);
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const until = performance.now() + START_TIMEOUT_MS;
  while (!(await listens(port))) {
    if (isRunning() && performance.now() < until) {
      // Nothing tells when a server begins to listen.
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    await stop();
    throw new Error(`${file} did not start: ${words}`);
  }
  const ask = async (): Promise<Answer> => {
    if (!isRunning()) throw new Error(`${file} ended: ${words}`);
    return look();
  };
  return { pid: child.pid ?? 0, ask, stop };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Sends bytes and gives the first line of what comes back; throws where nothing does in time. */
export async function firstLine(port: number, request: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.setTimeout(REPLY_TIMEOUT_MS, () => socket.destroy(new Error("no reply in time")));
  try {
    socket.write(request);
    let reply = "";
    for await (const chunk of socket) {
      reply += chunk;
      if (reply.includes("\r\n")) break;
    }
    return reply.split("\r\n")[0] ?? "";
  } finally {
    socket.destroy();
  }
}
