/** Starts a program that waits before its main function, with the library that is verified. */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FormatError, PT, parseElf } from "../engine.ts";
import { isSharedLibrary } from "../module-symbols.ts";
import { awaitEnd, type LiveProcess, type Started, start, within } from "./live-process.ts";
import { FAILED_LINE, PAUSE_VARIABLES, preparePauseObject, READY_LINE } from "./pause-object.ts";
import { isSetuid, type Placement } from "./placement.ts";
import { problem, type VerifyProblem } from "./problems.ts";
import { mapsModule } from "./process-view.ts";

export interface PauseRequest {
  /** The program or library that is verified. */
  readonly binary: string;
  readonly buildId: string;
  /** The program that loads it, where it is a library. */
  readonly host?: string;
  readonly root?: string;
  readonly libraryPath: readonly string[];
  readonly threads: number;
  /** Every function that a library calls is looked up before, not when it is called. */
  readonly bindNow: boolean;
  /** For the compiler, and for the program where it concerns the language or PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly objectFolder: string;
  readonly timeoutMs: number;
}

/** Waits for input; is on every machine and in every build root. */
const HOST = "/bin/cat";

/** The dynamic linker is in every process already; it cannot be loaded a second time. */
const LOADER = /^ld(-linux.*|-[0-9.]+)?\.so/;

/** Starts the process, or says why there is none. */
export async function startPaused(
  request: PauseRequest,
  placement: Placement,
): Promise<LiveProcess | VerifyProblem> {
  const kind = kindOf(request.binary);
  if (typeof kind !== "string") return kind;
  if (kind === "static") {
    return problem("cannot-start", {
      detail: `${request.binary} is a static program: it cannot be held before its main function`,
      next: "give a command that runs it: --run 'COMMAND'",
    });
  }
  const object = await preparePauseObject(request.objectFolder, request.env);
  if (typeof object !== "string") return object;
  const { argv, env } = plan(request, kind, object, placement);
  const started = start(argv, { cwd: placement.folder, env });
  const first = started.lineOf(new RegExp(`^(${READY_LINE}$|${FAILED_LINE})`));
  const line = await within(request.timeoutMs, first);
  const { pid } = started.child;
  if (line === READY_LINE && pid !== undefined && mapsModule(pid, request.buildId)) {
    return asProcess(started, pid);
  }
  const late = `it was not ready after ${request.timeoutMs / 1000} s`;
  const ending = started.ending() ?? (line === READY_LINE ? "it was not loaded" : late);
  await started.kill();
  return refuseStart(request, { kind, said: started.said(), ending });
}

const asProcess = (started: Started, pid: number): LiveProcess => ({
  pid,
  runs: false,
  ending: started.ending,
  finish: async () => {
    started.child.stdin?.end();
    const ending = await awaitEnd(started);
    return ending === "exit code 0" ? undefined : (ending ?? "it did not end when it was let go");
  },
  kill: started.kill,
});

type Kind = "program" | "library" | "static";

function kindOf(binary: string): Kind | VerifyProblem {
  try {
    const elf = parseElf(readFileSync(binary));
    if (isSharedLibrary(elf)) return "library";
    return elf.segments.some(({ p_type }) => p_type === PT.PT_INTERP) ? "program" : "static";
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return problem("no-baseline", {
      detail: `${binary} is no 64-bit ELF file for x86-64: ${error.message}`,
      next: "give the program or library that the hotpatch was built for: --binary FILE",
    });
  }
}

function plan(
  request: PauseRequest,
  kind: Kind,
  object: string,
  placement: Placement,
): { readonly argv: readonly string[]; readonly env: Record<string, string | undefined> } {
  const { binary, host } = request;
  const program = kind === "program" ? binary : programIn(request.root, host ?? HOST);
  const preload = [placement.place(object)];
  const variables: Record<string, string> = {
    [PAUSE_VARIABLES.pause]: "1",
    [PAUSE_VARIABLES.threads]: String(request.threads),
  };
  if (kind === "library" && !LOADER.test(basename(binary))) {
    // A path with a blank or a colon cannot stand among what is preloaded.
    const placed = placement.place(binary);
    if (host === undefined && !/[\s:]/.test(placed)) preload.push(placed);
    else variables[PAUSE_VARIABLES.load] = placed;
  }
  const folders = placement.placeFolders([
    ...request.libraryPath,
    ...librariesBeside(binary, kind, request.root),
  ]);
  Object.assign(variables, {
    LD_PRELOAD: preload.join(":"),
    ...(folders.length > 0 && { LD_LIBRARY_PATH: folders.join(":") }),
    ...(request.bindNow && { LD_BIND_NOW: "1" }),
    HOME: placement.ownFolder,
    TMPDIR: placement.ownFolder,
    LANG: "C.UTF-8",
  });
  const path = isSetuid(program) ? placement.copy(program) : placement.place(program);
  const { PATH } = request.env;
  const entrance = placement.entrance();
  if (entrance.length === 0) return { argv: [path], env: { ...variables, PATH } };
  // What leads into the root must not be held itself, so that the last step sets the variables.
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return { argv: [...entrance, "/usr/bin/env", ...settings, path], env: { PATH } };
}

/** A program as this machine sees it: in the root if it is there. */
const programIn = (root: string | undefined, program: string): string =>
  root !== undefined && existsSync(join(root, program)) ? join(root, program) : program;

/**
 * Folders with the libraries of the same package: for a library its own; for a program of an
 * unpacked package (FOLDER/usr/sbin/nginx) those of that package. Not those of the machine, which
 * are found anyhow.
 */
function librariesBeside(binary: string, kind: Kind, root: string | undefined): string[] {
  const folder = dirname(binary);
  const tree = /^(.*)\/(usr\/)?(s?bin|lib)(\/|$)/.exec(folder)?.[1] ?? "";
  const isUnpacked = tree !== "" && tree !== root;
  const beside = isUnpacked ? LIBRARY_FOLDERS.map((name) => join(tree, name)) : [];
  const isOwnNeeded = kind === "library" && (isUnpacked || !/^\/(usr\/)?lib/.test(folder));
  return [...(isOwnNeeded ? [folder] : []), ...beside.filter((path) => existsSync(path))];
}

const LIBRARY_FOLDERS = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib"];

function refuseStart(
  { binary, host }: PauseRequest,
  { kind, said, ending }: { readonly kind: Kind; readonly said: string; readonly ending: string },
): VerifyProblem {
  const lacksLibrary = /error while loading shared libraries|cannot open shared object/.test(said);
  const lacksHost = kind === "library" && host === undefined;
  const next = lacksLibrary
    ? "name the folder of the libraries that it needs (--library-path), or a build root (--root)"
    : lacksHost
      ? "name the program that loads the library: --host PROGRAM"
      : "give a command that runs it: --run 'COMMAND'";
  return problem("cannot-start", { detail: `${binary}: ${ending}${said && `: ${said}`}`, next });
}
