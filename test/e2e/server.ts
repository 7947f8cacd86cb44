/** Starts and ends the server of a scene. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { RespConnection } from "./resp.ts";
import type { Scene, Stage } from "./scene.ts";

export interface Server {
  readonly pid: number;
  readonly port: number;
  readonly isRunning: () => boolean;
  /** Leaves it running when this program ends. */
  readonly leave: () => void;
  readonly kill: () => void;
}

const START_TIMEOUT_MS = 10_000;

/** Starts the server on a free port of the loopback address, and waits until it answers. */
export async function startServer(scene: Scene, stage: Stage): Promise<Server> {
  const port = await freePort();
  const log = openSync(join(stage.folder, "server.log"), "a");
  // A group of its own: Ctrl-C is for the job, which then ends the server by its id.
  const child = spawn(scene.program, scene.args(port), {
    detached: true,
    ...(scene.calledAs !== undefined && { argv0: scene.calledAs }),
    stdio: ["ignore", log, log],
    cwd: stage.folder,
  });
  await once(child, "spawn");
  try {
    await answers(child, port);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    port,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    leave: () => child.unref(),
    kill: () => void child.kill("SIGKILL"),
  };
}

async function answers(child: ChildProcess, port: number): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    try {
      const connection = await RespConnection.open({ name: "start", port });
      const reply = await connection.send("PING");
      connection.close();
      if (reply === "PONG") return;
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    // Nothing tells when a server begins to listen.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
