/** Builds a hotpatch from a source tree, a patch file and the program built from the tree. */
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { applyPatch } from "./apply-patch.ts";
import { assembleHotpatch } from "./assemble.ts";
import { compareTrees } from "./changed-files.ts";
import { generatorNotes } from "./changed-units.ts";
import {
  type CompiledFix,
  type CompiledUnit,
  compileBoth,
  readAllDependencies,
} from "./compare-trees.ts";
import { commandsOfRuns, linkedFiles, parseCompileCommands } from "./compile-commands.ts";
import { compilerVersion } from "./compile-unit.ts";
import { otherCompiler } from "./compiled-by.ts";
import type { CompileCommand } from "./compiler-arguments.ts";
import { createCompilerWrapper } from "./compiler-wrapper.ts";
import { relocateLinks, restoreLineNumbers } from "./fixed-tree.ts";
import { rebuildTimeoutMs } from "./limits.ts";
import { type OpenedModule, openModule } from "./open-module.ts";
import { type PatchFile, parsePatchFile } from "./patch-file.ts";
import { type BuildRefusal, combineRefusals, isBuildRefusal, refuseBuild } from "./refusals.ts";
import { nameFixes } from "./refused-fixes.ts";
import type { Progress, TreeRequest } from "./request.ts";
import { failureText, runCommand } from "./run-command.ts";
import type { TreeResult } from "./tree-result.ts";
import { absentNotes, refuseElsewhere, unitsInModule } from "./units-in-module.ts";

export async function buildFromTree(request: TreeRequest, progress: Progress): Promise<TreeResult> {
  const source = await realpath(request.source);
  // The build command may write the program anew: what runs is what was there before.
  const image = await readFile(request.binary);
  await mkdir(request.cacheFolder, { recursive: true });
  const scratch = await mkdtemp(join(await realpath(request.cacheFolder), "tree-"));
  try {
    const recorded = await recordCommands(request, { source, scratch }, progress);
    if (isBuildRefusal(recorded)) return recorded;
    const { commands } = recorded;
    const root = commonRoot([source, ...commands.map(({ directory }) => directory)]);
    if (root.split(sep).filter((part) => part !== "").length < 2) return refuseRoot(root);
    progress(`copying ${root}`);
    const fixedRoot = join(scratch, "fixed");
    await cp(root, fixedRoot, copyOptions(request.cacheFolder));
    await relocateLinks(fixedRoot, [root]);
    const fixed = join(fixedRoot, relative(root, source));
    const patchNotes = await applyPatch(request.patch, fixed, request.env);
    if (isBuildRefusal(patchNotes)) return patchNotes;
    const below = relative(root, source);
    const changes = (await compareTrees(source, fixed, isNoSource)).map((change) => ({
      ...change,
      path: join(below, change.path),
    }));
    await restoreLineNumbers({ root, fixedRoot, changes });
    return await build(
      request,
      { ...recorded, root, fixedRoot, changes, scratch, image, patchNotes },
      progress,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface RecordedBuild {
  readonly commands: readonly CompileCommand[];
  /** What a build made just now; empty where its commands were given. */
  readonly linked: readonly string[];
}

interface PreparedTree extends RecordedBuild {
  readonly root: string;
  readonly fixedRoot: string;
  readonly changes: Awaited<ReturnType<typeof compareTrees>>;
  readonly scratch: string;
  readonly image: Uint8Array;
  readonly patchNotes: readonly string[];
}

async function build(
  request: TreeRequest,
  tree: PreparedTree,
  progress: Progress,
): Promise<TreeResult> {
  const { commands, root } = tree;
  const { env } = request;
  progress(`reading what ${commands.length} units are made of`);
  const units = await readAllDependencies(commands, { recordedRoot: root, root, env });
  const compiled = await compileBoth({ ...tree, units, env }, progress);
  if (isBuildRefusal(compiled)) return compiled;
  const patches = [await readPatch(request, root)];
  const concerned = { patches, units: compiled.selected };
  const result = await assemble(request, { ...tree, compiled, patches }, progress);
  return isBuildRefusal(result) ? nameFixes(result, concerned) : result;
}

/** The patch, with paths from the root of the tree. */
async function readPatch({ patch: path, source }: TreeRequest, root: string): Promise<PatchFile> {
  const patch = parsePatchFile(basename(path), await readFile(path, "utf8"));
  const prefix = relative(root, await realpath(source));
  const files = patch.files.map((file) => ({ ...file, path: join(prefix, file.path) }));
  return { ...patch, files };
}

async function assemble(
  request: TreeRequest,
  tree: PreparedTree & { readonly compiled: CompiledFix; readonly patches: readonly PatchFile[] },
  progress: Progress,
): Promise<TreeResult> {
  const { compiled } = tree.compiled;
  const [unusable, ...more] = tree.compiled.refused;
  if (unusable !== undefined && compiled.length === 0) return combineRefusals(unusable, more);
  progress("finding the units in the program");
  const opened = await openModule({ ...request, linked: tree.linked }, tree.image);
  if (isBuildRefusal(opened)) return opened;
  const { module } = opened;
  const placed = unitsInModule(compiled, module);
  const refused = [...tree.compiled.refused, ...placed.refused];
  const [first, ...others] = refused;
  if (placed.units.length === 0) {
    const refusal = first && combineRefusals(first, others);
    const name = basename(request.binary);
    return explainSource(refusal ?? refuseElsewhere(compiled, module, name), compiled, opened);
  }
  progress("comparing functions and writing the hotpatch");
  const assembled = assembleHotpatch(placed.units, module, {
    ...(request.version !== undefined && { version: request.version }),
    sequence: request.sequence ?? 1,
    source: basename(request.source),
    fixedBy: basename(request.patch),
    compiler: await compilerVersion(placed.units[0]?.unit.command.compiler ?? "cc", request),
    proof: opened.rebuilt ? "identical-build-id" : "matching-code",
    patches: tree.patches,
    refused,
  });
  if (isBuildRefusal(assembled)) return explainSource(assembled, compiled, opened);
  const absent = absentNotes(placed.absent, module.name);
  const notes = [...absent, ...tree.patchNotes, ...generatorNotes(tree.changes)];
  return { ...assembled, notes, binary: request.binary, file: request.binary };
}

/** Says which compiler and options the program was built with, where these are the reason. */
function explainSource(
  refusal: BuildRefusal,
  compiled: readonly CompiledUnit[],
  { files }: OpenedModule,
): BuildRefusal {
  const items = refusal.items.map((item) => {
    const unit = compiled.find((candidate) => candidate.unit.name === item.unit);
    if (unit === undefined || !/^not-(?:the-source|in-binary)$/.test(item.code)) return item;
    const other = otherCompiler(unit.before, files);
    return other === undefined ? item : { ...item, detail: `${item.detail}; ${other}` };
  });
  return { ...refusal, items };
}

async function recordCommands(
  request: TreeRequest,
  { source, scratch }: { readonly source: string; readonly scratch: string },
  progress: Progress,
): Promise<RecordedBuild | BuildRefusal> {
  if (request.compileCommands !== undefined) {
    const text = await readFile(request.compileCommands, "utf8");
    const base = dirname(resolve(request.compileCommands));
    const commands = parseCompileCommands(text, { base, exists: existsSync, read: readIfThere });
    if (isBuildRefusal(commands)) return commands;
    return { commands: await realDirectories(commands), linked: [] };
  }
  if (request.buildCommand === undefined) {
    return refuseBuild("bad-compile-commands", {
      name: request.source,
      detail: "neither a compile_commands.json nor a build command was given",
      next: "give one of the two",
    });
  }
  const shown = request.buildCommand.join(" ");
  progress(`running ${shown} in ${source}`);
  const wrapper = await createCompilerWrapper(join(scratch, "wrapper"), request);
  const result = await runCommand(request.buildCommand, {
    cwd: source,
    env: wrapper.env,
    timeoutMs: rebuildTimeoutMs,
  });
  if (result.code !== 0) {
    return refuseBuild("build-failed", {
      name: shown,
      detail: failureText(result),
      next: "make the build command succeed in the source folder",
    });
  }
  const runs = await wrapper.readRuns();
  const commands = commandsOfRuns(runs, existsSync);
  if (isBuildRefusal(commands)) return commands;
  if (commands.length > 0) return { commands, linked: linkedFiles(runs) };
  return refuseBuild("nothing-recorded", {
    name: shown,
    detail: "it called no compiler by its plain name (gcc, cc, clang ...)",
    next: "use a command that compiles everything again, such as make -B, with the compiler found on PATH",
  });
}

const readIfThere = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, "utf8") : undefined;

async function realDirectories(
  commands: readonly CompileCommand[],
): Promise<readonly CompileCommand[]> {
  return Promise.all(
    commands.map(async (command) => {
      const directory = await realpath(command.directory).catch(() => command.directory);
      return { ...command, directory };
    }),
  );
}

/** The deepest folder that holds all of them. */
function commonRoot(folders: readonly string[]): string {
  const split = folders.map((folder) => folder.split(sep));
  const first = split[0] ?? [];
  let length = first.length;
  for (const parts of split) {
    while (parts.slice(0, length).join(sep) !== first.slice(0, length).join(sep)) length -= 1;
  }
  return first.slice(0, length).join(sep) || sep;
}

/** Times are kept: files that nobody touched need not be read to be known as equal. */
const copyOptions = (cacheFolder: string) => {
  const cache = resolve(cacheFolder);
  return {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (path: string) => path !== cache && basename(path) !== ".git",
  };
};

const isNoSource = (path: string): boolean =>
  /(?:^|\/)(?:\.git|\.pc|\.svn)$|\.(?:o|lo|a|so|orig|rej)$/.test(path);

const refuseRoot = (root: string): BuildRefusal =>
  refuseBuild("bad-compile-commands", {
    name: root,
    detail: `source and build folders have no folder in common but ${root}`,
    next: "build inside the source folder, or in a folder beside it",
  });
