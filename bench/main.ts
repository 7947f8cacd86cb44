/** `npm run bench -- NAME [--json]`: the measurements behind the project's claims. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { measureAgentAtRest } from "./agent-at-rest.ts";
import { measureBuild, measureCompare } from "./build.ts";
import { measureCall } from "./call.ts";
import { measureFleetServer } from "./fleet-server.ts";
import { measureMemory } from "./memory.ts";
import { measurePause } from "./pause.ts";

const HELP = `usage: npm run bench -- NAME [--json] [--rounds N] [--cache DIR]

  pause    the longest gap a thread sees while a hotpatch is applied and reverted
  call     nanoseconds for a call before, with and after a hotpatch
  memory   what a hotpatch leaves in the process
  fleet-server   check-ins a second, and how soon a pause and a hotpatch reach 2,000 connected
           devices; lists and reports at 100,000 devices (--devices N, --rows N)
  agent-at-rest  memory and processor share of both halves while nothing happens (--seconds N)
  build    seconds for a fix once its package was built, and for the comparison of the largest
           unit; the package is built first, in a cache that is the bench's own

example: npm run bench -- pause --rounds 30
`;

/** These show their own tables. */
const SHOWN: ReadonlySet<string> = new Set(["pause", "build", "fleet-server"]);

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: "boolean" },
      help: { type: "boolean" },
      rounds: { type: "string" },
      threads: { type: "string" },
      devices: { type: "string", default: "2000" },
      rows: { type: "string", default: "100000" },
      seconds: { type: "string", default: "60" },
      cache: { type: "string" },
    },
  });
  const rounds = Number(values.rounds ?? 30);
  const threads = (values.threads ?? "1,8,64,512").split(",").map(Number);
  const progress = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const report = async (): Promise<unknown> => {
    switch (positionals[0]) {
      case "pause": {
        const rows = await measurePause(threads, rounds, progress);
        if (!values.json) console.table(rows);
        return { rows };
      }
      case "call":
        return measureCall();
      case "memory":
        return measureMemory();
      case "fleet-server": {
        const [devices, devicesAsRows] = [Number(values.devices), Number(values.rows)];
        const searchPath = process.env.PATH ?? "";
        const rows = await measureFleetServer({
          ...{ devices, rows: devicesAsRows, searchPath, progress },
        });
        if (!values.json) console.table(rows);
        return { rows };
      }
      case "agent-at-rest":
        return await measureAgentAtRest(Number(values.seconds), progress);
      case "build": {
        const usual = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "suture-bench");
        const { fixes, diff } = await measureBuild(resolve(values.cache ?? usual), progress);
        if (!values.json) console.table(fixes);
        if (!values.json) console.table(diff);
        return { fixes, diff };
      }
      case "compare":
        return measureCompare(positionals[1] ?? "", positionals[2] ?? "");
      default:
        return undefined;
    }
  };
  const result = values.help ? undefined : await report();
  if (result === undefined) {
    process.stdout.write(HELP);
    return values.help ? 0 : 2;
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (!SHOWN.has(positionals[0] ?? "")) console.table(result);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
