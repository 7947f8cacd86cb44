/**
 * Small C programs as targets, and hotpatches for them without the builder: the replacement is
 * compiled, and what it needs of the program is looked up in the program's symbol table.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  addressBytes,
  buildId,
  dynamicSymbols,
  fileAddr,
  type Hotpatch,
  isRefusal,
  parseElf,
  parseHotpatch,
  sealHotpatch,
  symbolTable,
} from "@suture/engine";
import { mappedAt } from "./snapshot.ts";

const ET_DYN = 3;
const SHN_UNDEF = 0;
const STT_TLS = 6;
const STT_FUNC = 2;

/** Names that the linker gives and no program has. */
const LINKER_SYMBOLS: readonly string[] = ["", "_GLOBAL_OFFSET_TABLE_"];

const KILL_MS = 5000;
const VICTIMS = join(dirname(dirname(fileURLToPath(import.meta.url))), "victims");

export interface Workshop {
  readonly folder: string;
  readonly compile: (name: string, source: string, flags?: readonly string[]) => string;
  /** Compiles test/victims/NAME.c to a file of that name, or of another. */
  readonly compileVictim: (name: string, flags?: readonly string[], file?: string) => string;
  readonly makeHotpatch: (request: HotpatchRequest) => { bytes: Uint8Array; hotpatch: Hotpatch };
  /** Starts a program that `endVictims` will end. */
  readonly start: typeof startVictim;
  readonly endVictims: () => Promise<void>;
  readonly close: () => void;
}

export interface HotpatchRequest {
  /** The program with its symbols; what runs may be stripped. */
  readonly binary: string;
  /** C; it defines the functions that replace those of the same names. */
  readonly source: string;
  readonly functions: readonly string[];
  readonly id: string;
  readonly sequence?: number;
  readonly flags?: readonly string[];
  /** Undefined symbols of the source that the process's libraries have. */
  readonly dynamic?: readonly string[];
  /** Changes the patch description, for hotpatches that are wrong. */
  readonly edit?: (description: Record<string, unknown>) => Record<string, unknown>;
}

/** A folder for compiled programs and hotpatches; `close` removes it. */
export function openWorkshop(): Workshop {
  const folder = mkdtempSync(join(tmpdir(), "suture-victims-"));
  const compile = (name: string, source: string, flags: readonly string[] = []): string => {
    const path = join(folder, name);
    const args = ["-O2", `-I${VICTIMS}`, "-x", "c", "-", "-x", "none", "-o", path, ...flags];
    execFileSync("gcc", args, { input: source });
    return path;
  };
  const victims: Victim[] = [];
  return {
    folder,
    compile,
    compileVictim: (name, flags, file = name) =>
      compile(file, readFileSync(join(VICTIMS, `${name}.c`), "utf8"), flags),
    start: async (path, args, options) => {
      const victim = await startVictim(path, args, options);
      victims.push(victim);
      return victim;
    },
    endVictims: async () => {
      await Promise.all(victims.splice(0).map((victim) => victim.kill()));
    },
    makeHotpatch: (request) => makeHotpatch(folder, compile, request),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function makeHotpatch(
  folder: string,
  compile: Workshop["compile"],
  request: HotpatchRequest,
): { bytes: Uint8Array; hotpatch: Hotpatch } {
  const flags = ["-c", "-ffunction-sections", "-fdata-sections", "-fPIE", ...(request.flags ?? [])];
  const object = compile(`${request.id}.o`, request.source, flags);
  const program = parseElf(readFileSync(request.binary));
  const symbols = symbolTable(program);
  const named = (name: string) => {
    const symbol = symbols.find((entry) => entry.name === name && entry.st_shndx !== SHN_UNDEF);
    if (symbol === undefined) throw new Error(`${request.binary} has no symbol ${name}`);
    return symbol;
  };
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const undefinedNames = symbolTable(parseElf(readFileSync(object)))
    .filter((entry) => entry.st_shndx === SHN_UNDEF && !LINKER_SYMBOLS.includes(entry.name))
    .map((entry) => entry.name);
  const imported = new Set([
    ...dynamicSymbols(program)
      .filter((e) => e.st_shndx === SHN_UNDEF)
      .map((e) => e.name),
    ...(request.dynamic ?? []),
  ]);
  const description = {
    format: 1,
    id: request.id,
    sequence: request.sequence ?? 1,
    target: { buildId: buildId(program), name: "victim" },
    functions: request.functions.map((name) => {
      const { st_value, st_size, type } = named(name);
      if (type !== STT_FUNC) throw new Error(`${name} is no function`);
      const code = addressBytes(program, fileAddr(st_value), st_size);
      if (code === undefined) throw new Error(`${name} is not in the file`);
      const sha256 = createHash("sha256").update(code).digest("hex");
      return { name, address: hex(st_value), size: st_size, sha256, replacement: name, parts: [] };
    }),
    references: undefinedNames.map((symbol) => {
      if (imported.has(symbol)) return { symbol, kind: "dynamic", name: symbol };
      const { st_value, type } = named(symbol);
      return type === STT_TLS
        ? { symbol, kind: "module-tls", offset: st_value }
        : { symbol, kind: "module", address: hex(st_value) };
    }),
  };
  const file = join(folder, `${request.id}.hotpatch`);
  const json = join(folder, "description.json");
  const zeros = join(folder, "zeros");
  writeFileSync(json, JSON.stringify(request.edit?.(description) ?? description));
  writeFileSync(zeros, new Uint8Array(32));
  const sections = [`.suture.patch=${json}`, `.suture.digest=${zeros}`];
  execFileSync("objcopy", [...sections.flatMap((s) => ["--add-section", s]), object, file]);
  const bytes = sealHotpatch(readFileSync(file));
  writeFileSync(file, bytes);
  const hotpatch = parseHotpatch(bytes);
  if (isRefusal(hotpatch)) throw new Error(hotpatch.detail);
  return { bytes, hotpatch };
}

/** Where a symbol of a program or library stands in a process that maps it. */
export function addressOf(pid: number, binary: string, name: string): number {
  const elf = parseElf(readFileSync(binary));
  const symbol = symbolTable(elf).find((entry) => entry.name === name);
  if (symbol === undefined) throw new Error(`${binary} has no symbol ${name}`);
  return symbol.st_value + (elf.e_type === ET_DYN ? mappedAt(pid, binary) : 0);
}

/** A running program, its lines of output, and an end that leaves nothing behind. */
export interface Victim {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The next line of output that matches; rejects when the program ends first. */
  readonly nextLine: (form: RegExp) => Promise<string>;
  /** The lines that nobody has asked for yet. */
  readonly unread: () => readonly string[];
  readonly send: (text: string) => void;
  readonly exited: () => boolean;
  /** How it ended: `SIGSEGV`, `exit 1`, or undefined while it lives. */
  readonly ending: () => string | undefined;
  readonly kill: () => Promise<void>;
}

export interface StartOptions {
  readonly uid?: number;
  /** The process id is the one that the program prints, not that of the command (unshare). */
  readonly printsPid?: boolean;
}

/** Starts a program and waits for its line `ready PID`. */
export async function startVictim(
  path: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<Victim> {
  const { uid } = options;
  const child = spawn(path, args, {
    stdio: ["pipe", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const waiting: { form: RegExp; take: (line: string) => void; fail: (e: Error) => void }[] = [];
  const unread: string[] = [];
  const ending = (): string | undefined => {
    const { exitCode, signalCode } = child;
    return signalCode ?? (exitCode === null ? undefined : `exit ${exitCode}`);
  };
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const index = waiting.findIndex(({ form }) => form.test(line));
    const [found] = index < 0 ? [] : waiting.splice(index, 1);
    if (found) found.take(line);
    else unread.push(line);
  });
  const endedBefore = (form: RegExp): Error => new Error(`ended (${ending()}) before ${form}`);
  let closed = false;
  // Its last lines may come after the exit; the end of the output comes last.
  lines.once("close", () => {
    closed = true;
    void ended.then(() => {
      for (const { fail, form } of waiting.splice(0)) fail(endedBefore(form));
    });
  });
  child.stdin.on("error", () => {}); // A victim that has ended reads nothing; nextLine tells.
  const nextLine = (form: RegExp): Promise<string> => {
    const index = unread.findIndex((line) => form.test(line));
    if (index >= 0) return Promise.resolve(unread.splice(0, index + 1)[index] as string);
    if (closed && ending() !== undefined) return Promise.reject(endedBefore(form));
    return new Promise((take, fail) => waiting.push({ form, take, fail }));
  };
  const ready = await nextLine(/^ready/);
  const pid = options.printsPid ? Number(/^ready (\d+)/.exec(ready)?.[1]) : child.pid;
  if (pid === undefined) throw new Error(`${path} did not start`);
  return {
    pid,
    child,
    nextLine,
    unread: () => unread,
    send: (text) => child.stdin.write(text),
    exited: () => ending() !== undefined,
    ending,
    kill: async () => {
      if (pid !== child.pid && ending() === undefined) killIfThere(pid);
      child.kill("SIGKILL");
      // Its tracer, which we may be ourselves, may have learnt of its end in Node's place.
      const until = performance.now() + KILL_MS;
      while (ending() === undefined && existsSync(`/proc/${pid}`) && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      child.unref();
      child.stdout.destroy();
    },
  };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
