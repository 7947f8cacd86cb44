import { resolve } from "node:path";
import type { VerifyReport, VerifyRequest } from "@suture/builder";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import type { Exit } from "../exit-codes.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { onlyPositional, timeoutOf } from "../selection.ts";

export const verify: Command = {
  name: "verify",
  summary: "try a hotpatch on a fresh process: applied, looked at, reverted",
  usage: "FILE [--binary FILE] [--host PROGRAM|--run COMMAND] [--root DIR] [--test COMMAND]",
  about:
    "Starts the program, or one that loads the library, held before its main function; applies the\n" +
    "hotpatch, finds in its memory that every replaced function leads to the new code, reverts, and\n" +
    "compares its memory with what it was. Touches no process but the one that it started.",
  options: {
    binary: {
      type: "string",
      value: "FILE",
      help: "the program or library it is for (else the installed one of that Build-ID)",
    },
    host: { type: "string", value: "PROGRAM", help: "the program that a plug-in is loaded by" },
    run: {
      type: "string",
      value: "COMMAND",
      help: "starts the program for real: for static ones, and for tests that talk to it",
    },
    root: { type: "string", value: "DIR", help: "a build root to run in, with its libraries" },
    "library-path": {
      type: "string",
      multiple: true,
      value: "DIR",
      help: "libraries are looked for here first (may be repeated)",
    },
    test: {
      type: "string",
      value: "COMMAND",
      help: "has to succeed while the hotpatch is applied; SUTURE_PID is the process",
    },
    threads: { type: "string", value: "N", help: "threads that sleep in the process besides" },
    timeout: { type: "string", value: "SECONDS", help: "for the start and for the test (60)" },
    cache: { type: "string", value: "DIR", help: "where a small object for this is kept" },
  },
  example:
    "suture verify redis-7.0.15-u10.hotpatch --binary /usr/bin/redis-server\n" +
    "suture verify fix.hotpatch --run 'redis-server --port 7777' --test 'redis-cli -p 7777 ping'",
  run,
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const request = requestOf(args, context);
  const { verifyHotpatch } = await context.builder();
  const report = await verifyHotpatch({
    ...request,
    onStep: (step) => context.progress(STEPS[step]),
  });
  return outcomeOf(report);
}

const STEPS = {
  start: "starting a process",
  apply: "applying the hotpatch",
  redirects: "looking where the functions lead",
  test: "running the test command",
  revert: "reverting the hotpatch",
  memory: "comparing memory",
  end: "ending the process",
} as const;

/** Throws UsageError where the options do not go together. */
function requestOf(args: Arguments, context: Context): VerifyRequest {
  const hotpatch = resolve(onlyPositional(args, "FILE"));
  if (args.text("host") !== undefined && args.text("run") !== undefined) {
    throw new UsageError("--host and --run exclude each other");
  }
  const optional = (option: "binary" | "host" | "root" | "run" | "test", path: boolean) => {
    const value = args.text(option);
    return value === undefined ? {} : { [option]: path ? resolve(value) : value };
  };
  return {
    hotpatch,
    ...optional("binary", true),
    ...optional("host", true),
    ...optional("root", true),
    ...optional("run", false),
    ...optional("test", false),
    libraryPath: args.texts("library-path").map((path) => resolve(path)),
    ...threadsOf(args),
    ...timeoutOf(args),
    cacheFolder: resolve(args.text("cache") ?? context.cacheFolder),
    env: context.env,
  };
}

function threadsOf(args: Arguments): { threads?: number } {
  const text = args.text("threads");
  if (text === undefined) return {};
  if (!/^\d{1,4}$/.test(text)) throw new UsageError(`--threads ${text}: a number up to 9999`);
  return { threads: Number(text) };
}

/** Found wanting is a failure; what was refused, or was not there, changed and proved nothing. */
function outcomeOf(report: VerifyReport): Outcome {
  const { ok, problem, ...facts } = report;
  const blocks = facts.steps.map(({ name, ok: fine, detail }) =>
    line(`${fine ? "ok    " : "FAILED"}  ${name.padEnd(9)}  ${detail}`),
  );
  if (problem === undefined) {
    const seconds = (facts.milliseconds / 1000).toFixed(1);
    return done(facts, ...blocks, line(`${facts.id} is confirmed, in ${seconds} s`));
  }
  return { exit: exitOf(report), document: facts, blocks, problem };
}

function exitOf({ problem, applied }: VerifyReport): Exclude<Exit, "done"> {
  if (problem?.reason === "no-baseline") return "nothing";
  const isFinding = problem !== undefined && FINDINGS.has(problem.reason);
  return applied || isFinding ? "failed" : "refused";
}

const FINDINGS: ReadonlySet<string> = new Set(["cannot-start", "process-ended"]);
