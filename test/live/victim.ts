/**
 * Small C programs as targets, and hotpatches for them without the builder: the replacement is
 * compiled, and what it needs of the program is looked up in the program's symbol table.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
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

const SHN_UNDEF = 0;
const STT_TLS = 6;
const STT_FUNC = 2;

export interface Workshop {
  readonly folder: string;
  readonly compile: (name: string, source: string, flags?: readonly string[]) => string;
  readonly makeHotpatch: (request: HotpatchRequest) => { bytes: Uint8Array; hotpatch: Hotpatch };
  readonly close: () => void;
}

export interface HotpatchRequest {
  readonly binary: string;
  /** C; it defines the functions that replace those of the same names. */
  readonly source: string;
  readonly functions: readonly string[];
  readonly id: string;
  readonly sequence?: number;
  readonly flags?: readonly string[];
}

/** A folder for compiled programs and hotpatches; `close` removes it. */
export function openWorkshop(): Workshop {
  const folder = mkdtempSync(join(tmpdir(), "suture-victims-"));
  const compile = (name: string, source: string, flags: readonly string[] = []): string => {
    const path = join(folder, name);
    execFileSync("gcc", ["-O2", "-x", "c", "-", "-o", path, ...flags], { input: source });
    return path;
  };
  return {
    folder,
    compile,
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
    .filter((entry) => entry.st_shndx === SHN_UNDEF && entry.name !== "")
    .map((entry) => entry.name);
  const imported = new Set(
    dynamicSymbols(program)
      .filter((e) => e.st_shndx === SHN_UNDEF)
      .map((e) => e.name),
  );
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
  writeFileSync(json, JSON.stringify(description));
  writeFileSync(zeros, new Uint8Array(32));
  const sections = [`.suture.patch=${json}`, `.suture.digest=${zeros}`];
  execFileSync("objcopy", [...sections.flatMap((s) => ["--add-section", s]), object, file]);
  const bytes = sealHotpatch(readFileSync(file));
  writeFileSync(file, bytes);
  const hotpatch = parseHotpatch(bytes);
  if (isRefusal(hotpatch)) throw new Error(hotpatch.detail);
  return { bytes, hotpatch };
}

/** A running program, its lines of output, and an end that leaves nothing behind. */
export interface Victim {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The next line of output that matches; rejects when the program ends first. */
  readonly nextLine: (form: RegExp) => Promise<string>;
  readonly send: (text: string) => void;
  readonly exited: () => boolean;
  readonly kill: () => Promise<void>;
}

/** Starts a program and waits for its line `ready`. */
export async function startVictim(path: string, args: readonly string[] = []): Promise<Victim> {
  const child = spawn(path, args, { stdio: ["pipe", "pipe", "inherit"] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${path} did not start`);
  const waiting: { form: RegExp; take: (line: string) => void; fail: (e: Error) => void }[] = [];
  const unread: string[] = [];
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const index = waiting.findIndex(({ form }) => form.test(line));
    const [found] = index < 0 ? [] : waiting.splice(index, 1);
    if (found) found.take(line);
    else unread.push(line);
  });
  child.once("exit", (code, signal) => {
    for (const { fail, form } of waiting)
      fail(new Error(`ended (${code ?? signal}) before ${form}`));
  });
  const victim: Victim = {
    pid,
    child,
    nextLine: (form) => {
      const index = unread.findIndex((line) => form.test(line));
      if (index >= 0) return Promise.resolve(unread.splice(0, index + 1)[index] as string);
      if (child.exitCode !== null) return Promise.reject(new Error(`ended before ${form}`));
      return new Promise((take, fail) => waiting.push({ form, take, fail }));
    },
    send: (text) => child.stdin?.write(text),
    exited: () => child.exitCode !== null || child.signalCode !== null,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
  await victim.nextLine(/^ready/);
  return victim;
}
