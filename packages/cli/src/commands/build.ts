import { dirname, join, resolve } from "node:path";
import type { BuildRequest, RefusedBuild } from "@suture/builder";
import type { HotpatchManifest } from "@suture/release";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { describeFixes } from "../fix-table.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import { describe } from "./inspect.ts";

export const build: Command = {
  name: "build",
  summary: "make a hotpatch file from source code and a security fix",
  usage:
    "--deb PACKAGE --from VERSION [--to VERSION|--without NAME] [--patch FILE]...\n" +
    "       suture build --source DIR --patch FILE --binary FILE\n" +
    "                    --compile-commands FILE|--build COMMAND",
  about:
    "Compiles the changed units before and after the fix, and takes the functions that differ, with\n" +
    "what they need, into one file for each program and library. What cannot change in a running\n" +
    "process is refused by name; of several fixes between two versions, those that need a restart\n" +
    "are left out where the others do not depend on them. The answer names every fix.",
  options: {
    deb: { type: "string", value: "PACKAGE", help: "a Debian source package" },
    from: { type: "string", value: "VERSION", help: "what runs: a version, installed or oldest" },
    to: { type: "string", value: "VERSION", help: "what has the fix: a version or newest" },
    without: {
      type: "string",
      multiple: true,
      value: "NAME",
      help: "what runs lacks this patch of its series, which is the fix (may be repeated)",
    },
    source: { type: "string", value: "DIR", help: "a source tree, from before the fix" },
    patch: {
      type: "string",
      multiple: true,
      value: "FILE",
      help: "the fix, or one more, as patch -p1 takes it (with --deb it may be repeated)",
    },
    binary: { type: "string", value: "FILE", help: "the program or library that runs" },
    "debug-file": { type: "string", value: "FILE", help: "its symbols, where it has none" },
    "compile-commands": { type: "string", value: "FILE", help: "the tree's compile_commands.json" },
    build: {
      type: "string",
      value: "COMMAND",
      help: "builds the tree; its compilers are recorded",
    },
    sequence: { type: "string", value: "N", help: "its place among those of its baseline (1)" },
    output: { type: "string", value: "FILE", help: "where to write the first (ID.hotpatch)" },
    cache: { type: "string", value: "DIR", help: "where sources and builds are kept" },
  },
  example:
    "suture build --deb redis --from 5:7.0.15-1~deb12u7 --to 5:7.0.15-1~deb12u10\n" +
    "suture build --source . --patch fix.patch --binary ./server --build 'make -B'",
  run,
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const [word] = args.positionals;
  if (word !== undefined) throw new UsageError(`build takes options only, not ${word}`);
  const request = requestOf(args, context);
  const { buildHotpatch, isBuildRefusal } = await context.builder();
  const result = await buildHotpatch(request, context.progress);
  if (isBuildRefusal(result)) return refusedBuild(result);
  const { hotpatches, fixes, notes } = result;
  const [first] = hotpatches;
  const output = args.text("output");
  const folder = output === undefined ? "." : dirname(output);
  const written = hotpatches.map((hotpatch) => {
    const { bytes, description, manifest, binary, file: component } = hotpatch;
    const named = hotpatch === first ? output : undefined;
    const file = resolve(named ?? join(folder, `${description.id}.hotpatch`));
    context.writeFile(file, bytes);
    return { file, size: bytes.length, component, binary, description, manifest };
  });
  const [only] = written;
  return done(
    // What stands beside the lists is the first hotpatch, mostly the only one.
    { ...only, hotpatches: written, fixes, notes },
    ...hotpatches.flatMap((hotpatch, index) => [
      line(`wrote ${written[index]?.file}`),
      ...describe(hotpatch, withoutFixes(hotpatch.manifest)),
      line(""),
    ]),
    ...describeFixes(fixes),
    ...notes.map((note) => line(`note: ${note}`)),
    line(`try it: suture verify ${only?.file}`),
  );
}

/** What stands in the way of every hotpatch, and what became of each fix where it is known. */
export function refusedBuild({ refused: reason, items, next, fixes = [] }: RefusedBuild): Outcome {
  const [first] = items;
  const outcome = failed(
    "refused",
    {
      reason,
      detail: first ? `${first.name}: ${first.detail}` : reason,
      next,
      ...(items.length > 1 && { items }),
    },
    fixes.length > 0 ? { fixes } : {},
  );
  return { ...outcome, blocks: describeFixes(fixes) };
}

/** The report of all fixes is shown once, not with each hotpatch. */
const withoutFixes = (manifest: HotpatchManifest): HotpatchManifest => ({ ...manifest, fixes: [] });

/** Throws UsageError where the options do not say one thing. */
function requestOf(args: Arguments, context: Context): BuildRequest {
  const common = {
    cacheFolder: resolve(args.text("cache") ?? context.cacheFolder),
    env: context.env,
    ...sequenceOf(args),
  };
  const name = args.text("deb");
  const source = args.text("source");
  if ((name === undefined) === (source === undefined)) {
    throw new UsageError("what is to be built? give --deb PACKAGE or --source DIR");
  }
  const optional = (option: string, key: string, path = true) => {
    const value = args.text(option);
    return value === undefined ? {} : { [key]: path ? resolve(value) : value };
  };
  if (name !== undefined) {
    const to = args.text("to");
    const patches = args.texts("patch").map((path) => resolve(path));
    const withoutPatches = args.texts("without");
    const ways = [to, patches[0], withoutPatches[0]].filter((way) => way !== undefined);
    if (ways.length === 0 || (to !== undefined && withoutPatches.length > 0)) {
      throw new UsageError("where is the fix? give --to VERSION, --patch FILE or --without NAME");
    }
    const fix = {
      ...(to !== undefined && { to }),
      ...(patches.length > 0 && { patches }),
      ...(withoutPatches.length > 0 && { withoutPatches }),
    };
    const from = args.text("from") ?? "installed";
    return {
      kind: "deb",
      package: name,
      from,
      ...fix,
      ...optional("binary", "binary", false),
      ...common,
    };
  }
  const patch = args.texts("patch");
  const command = args.text("build");
  if (patch.length !== 1) throw new UsageError("--source takes one --patch FILE");
  if ((command === undefined) === (args.text("compile-commands") === undefined)) {
    throw new UsageError("how is it compiled? give --compile-commands FILE or --build COMMAND");
  }
  return {
    kind: "tree",
    source: resolve(required(args, "source")),
    patch: resolve(required(args, "patch")),
    binary: resolve(required(args, "binary")),
    ...(command !== undefined && { buildCommand: ["sh", "-c", command] }),
    ...optional("compile-commands", "compileCommands"),
    ...optional("debug-file", "debugFile"),
    ...common,
  };
}

function required(args: Arguments, option: string): string {
  const value = args.text(option);
  if (value === undefined) throw new UsageError(`--${option} is missing`);
  return value;
}

function sequenceOf(args: Arguments): { sequence?: number } {
  const text = args.text("sequence");
  if (text === undefined) return {};
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--sequence ${text} is no number from 1`);
  return { sequence: Number(text) };
}
