/** The small server of our own, for machines without a Debian archive. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inWords } from "./redis-triggers.ts";
import { RespConnection } from "./resp.ts";
import type { Scene, Stage } from "./scene.ts";

const victim = (name: string): string =>
  fileURLToPath(new URL(`../victims/${name}`, import.meta.url));

const COMPILE = "gcc -O2 -g -pthread -o line-server line-server.c";

/** Compiles the server in a source tree of its own; the one that runs is stripped. */
export function prepareLineServer(stage: Stage): Scene {
  const source = join(stage.folder, "line-server");
  mkdirSync(source);
  copyFileSync(victim("line-server.c"), join(source, "line-server.c"));
  const program = join(stage.folder, "line-server-stripped");
  execute(COMPILE, source);
  execute(`strip -o ${program} line-server`, source);
  const buildOf = (patch: string): readonly string[] => [
    ...["--source", source, "--patch", victim(patch)],
    ...["--binary", program, "--build", COMPILE],
  ];
  return {
    title: "line-server, a small C server of our own",
    program,
    args: (port) => [String(port)],
    build: buildOf("line-server.patch"),
    channel: {
      product: "line-server",
      component: { file: "line-server" },
      leaking: buildOf("line-server-leak.patch"),
    },
    triggers: [
      {
        name: "the fault of PEEK",
        what: "PEEK 8, one index behind the notice board",
        faulty: "s",
        fixed: "ERR index out of range",
        async show(port) {
          const connection = await RespConnection.open({ name: "trigger", port });
          const reply = await connection.send("PEEK", "8");
          connection.close();
          return inWords(reply);
        },
      },
    ],
  };
}

function execute(command: string, cwd: string): void {
  const { status } = spawnSync("sh", ["-c", command], { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`failed: ${command}`);
}
