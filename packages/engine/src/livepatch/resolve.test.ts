import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { beforeAll, describe, expect, test } from "vitest";
import { fileAddr, virtualAddr } from "../bytes/address.ts";
import { STT } from "../elf/constants.ts";
import { parseElf } from "../elf/file.ts";
import { symbolTable } from "../elf/symbol.ts";
import { planLayout } from "../link/layout.ts";
import { linkObject } from "../link/relocate.ts";
import { isRefusal } from "../refusals.ts";
import { hasTools } from "../tools-fixture.ts";
import { openDynamicTable } from "./dynamic-symbols.ts";
import { type HostProcess, openHostFolder } from "./host-process-fixture.ts";
import type { LoadedModule } from "./loaded-module.ts";
import type { SymbolReference } from "./patch-description.ts";
import { createResolver, linkOrder } from "./resolve.ts";

const hosts = openHostFolder();
const canCompile = hasTools(["gcc"], "nothing of the resolver is tested");

const sources = join(import.meta.dirname, "resolver-host");

interface Host extends HostProcess {
  readonly said: ReadonlyMap<string, number>;
  readonly send: (line: string) => void;
  readonly answer: () => Promise<string>;
  module(name: string): LoadedModule;
}

/** Builds the program and its libraries in a folder of their own, which it gives. */
function build(flags: readonly string[]): string {
  const cwd = hosts.newFolder();
  const gcc = (...args: string[]) => execFileSync("gcc", ["-O2", ...args], { cwd });
  const source = (name: string) => join(sources, name);
  writeFileSync(join(cwd, "one.map"), "ONE_1 { global: *; }; ONE_2 { } ONE_1;");
  const shared = ["-fPIC", "-shared", ...flags.filter((flag) => flag.startsWith("-Wl,"))];
  const script = "-Wl,--version-script=one.map,-soname,libone.so";
  gcc(...shared, source("one.c"), script, "-o", "libone.so");
  gcc(...shared, source("plugin.c"), "-L.", "-lone", "-o", "plugin.so");
  gcc(...flags, source("main.c"), "-L.", "-lone", "-Wl,-rpath,$ORIGIN", "-o", "host");
  return cwd;
}

/** A running program that has said all its addresses. */
async function startHost(flags: string[]): Promise<Host> {
  const cwd = build(flags);
  const child = spawn(join(cwd, "host"), [join(cwd, "plugin.so")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, LD_BIND_NOW: "" },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => String((await lines.next()).value);
  const said = new Map<string, number>();
  for (let line = await answer(); line !== "ready"; line = await answer()) {
    const match = /^(.*) ([0-9a-f]+)$/.exec(line);
    if (!match) throw new Error(`the host said ${line}`);
    said.set(match[1] as string, Number(BigInt.asIntN(64, BigInt(`0x${match[2]}`))));
  }
  const { modules, readMemory } = hosts.open(child);
  const module = (name: string): LoadedModule => {
    const found = modules.find((candidate) => candidate.name === name);
    if (!found) throw new Error(`no module ${name}`);
    return found;
  };
  return {
    said,
    modules,
    readMemory,
    answer,
    module,
    send: (line) => child.stdin?.write(`${line}\n`),
  };
}

const dynamic = (name: string, version?: string): SymbolReference => ({
  symbol: "x",
  kind: "dynamic",
  name,
  ...(version !== undefined && { version }),
});

function resolve(host: Host, target: string, reference: SymbolReference) {
  const { readMemory } = host;
  const modules = linkOrder(host.modules, readMemory);
  return createResolver({
    modules,
    target: host.module(target),
    references: [reference],
    readMemory,
  })(reference.symbol);
}

function addressOf(host: Host, target: string, reference: SymbolReference): number {
  const found = resolve(host, target, reference);
  if (isRefusal(found)) throw new Error(`${found.refused}: ${found.detail}`);
  if (found.kind !== "address") throw new Error("thread-local");
  return found.address;
}

const FLAG_SETS = [
  "-fPIE -pie -Wl,-z,lazy",
  "-fPIE -pie -Wl,-z,now -Wl,--hash-style=sysv",
  "-fno-pie -no-pie -Wl,-z,lazy -Wl,--hash-style=both",
  "-fno-pie -no-pie -Wl,-z,now -fno-plt -O1",
];

describe.runIf(canCompile).each(FLAG_SETS)("a program built with %s", (flags) => {
  let host: Host;
  beforeAll(async () => {
    host = await startHost(flags.split(" "));
  });
  const said = (name: string): number => {
    const value = host.said.get(name);
    if (value === undefined) throw new Error(`the host did not say ${name}`);
    return value;
  };

  test("its modules are in the dynamic linker's order", () => {
    const names = linkOrder(host.modules, host.readMemory).map(({ name }) => name);
    expect(names.filter((name) => name !== "[vdso]")).toEqual([
      "host",
      "libone.so",
      "libc.so.6",
      "ld-linux-x86-64.so.2",
      "plugin.so",
    ]);
    expect(linkOrder(host.modules, () => undefined).map(({ name }) => name)).toEqual([
      "host",
      "libone.so",
      "libc.so.6",
      "ld-linux-x86-64.so.2",
    ]);
  });

  test.each([
    ["plain", "plain"],
    ["table", "table&"],
    ["shared_data", "shared_data"],
    ["shared_data", "shared_data&"],
    ["interposed", "interposed"],
    ["environ", "environ"],
    ["realpath", "realpath"],
    ["stdout", "stdout&"],
    ["__tls_get_addr", "__tls_get_addr"],
    ["strcmp", "strcmp&"],
  ])("%s is where the program sees it", (name, oracle) => {
    for (const target of ["host", "libone.so", "plugin.so"])
      expect(addressOf(host, target, dynamic(name)), target).toBe(said(oracle));
  });

  test.each(["memcpy", "strlen", "used_choice"])(
    "the indirect function %s is what it became",
    (name) => {
      expect(addressOf(host, "host", dynamic(name))).toBe(said(name));
    },
  );

  test.each([
    ["versioned", "ONE_1"],
    ["versioned", "ONE_2"],
    ["hidden_only", "ONE_1"],
    ["realpath", "GLIBC_2.2.5"],
  ])("%s has the version %s", (name, version) => {
    const address = addressOf(host, "host", dynamic(name, version));
    expect(address).toBe(said(`${name}@${version}`));
  });

  test("a version that nobody defines is missing", () => {
    for (const reference of [dynamic("versioned", "ONE_3"), dynamic("nowhere_at_all")])
      expect(resolve(host, "host", reference)).toMatchObject({ refused: "missing-symbol" });
  });

  test("a reference without version takes the one that the target asks for", () => {
    expect(addressOf(host, "host", dynamic("versioned"))).toBe(said("versioned@ONE_2"));
  });

  test("without any version wanted, the loader gives the oldest and the linker the default", () => {
    const { elf, bias } = host.module("libone.so");
    const find = (kind: "oldest" | "default") =>
      (openDynamicTable(elf).find("versioned", { kind })?.st_value ?? Number.NaN) + bias;
    expect(find("oldest")).toBe(said("versioned@ONE_1"));
    expect(find("default")).toBe(said("versioned@ONE_2"));
    expect(openDynamicTable(elf).find("hidden_only", { kind: "default" })).toBeUndefined();
  });

  test("a protected function is the target's own", () => {
    for (const name of ["host", "libone.so"]) {
      const { elf, bias } = host.module(name);
      const own = symbolTable(elf).find((symbol) => symbol.name === "protected_f");
      expect(addressOf(host, name, dynamic("protected_f"))).toBe((own?.st_value ?? 0) + bias);
    }
  });

  test("a module loaded later comes last, but is found", () => {
    expect(addressOf(host, "plugin.so", dynamic("plain"))).toBe(said("plain"));
    expect(addressOf(host, "plugin.so", dynamic("only_in_plugin"))).toBe(said("only_in_plugin"));
  });

  test("an indirect function that nobody used is unresolved, where binding is lazy", () => {
    const found = resolve(host, "host", dynamic("unused_choice"));
    if (flags.includes("-Wl,-z,lazy"))
      expect(found).toMatchObject({
        refused: "unresolved-ifunc",
        detail: "unused_choice of libone.so",
      });
    else expect(found).toMatchObject({ kind: "address", address: said("used_choice") });
  });

  const tls = (target: string, name: string) => {
    const symbol = symbolTable(host.module(target).elf).find((entry) => entry.name === name);
    if (symbol?.type !== STT.STT_TLS) throw new Error(`${target} has no variable ${name}`);
    return resolve(host, target, {
      symbol: "x",
      kind: "module-tls",
      offset: symbol.st_value,
    });
  };

  test("thread-local variables of the executable", () => {
    for (const name of ["main_tls", "main_static", "main_aligned"])
      expect(tls("host", name)).toMatchObject({
        threadPointerOffset: said(`tp ${name}`),
        moduleId: 1,
      });
  });

  test("thread-local variables of libraries", () => {
    expect(tls("libone.so", "one_static")).toMatchObject({
      threadPointerOffset: said("tp one_static"),
    });
    expect(tls("libone.so", "one_local")).toMatchObject({ moduleId: said("id one") });
    expect(tls("plugin.so", "plugin_tls")).toMatchObject({ moduleId: said("id plugin") });
    for (const target of ["host", "libone.so", "plugin.so"])
      expect(resolve(host, target, dynamic("one_dynamic"))).toMatchObject({
        threadPointerOffset: said("tp one_dynamic"),
        moduleId: said("id one"),
      });
    expect(resolve(host, "host", dynamic("errno", "GLIBC_PRIVATE"))).toMatchObject({
      threadPointerOffset: said("tp errno"),
    });
  });

  test("a module without thread-local variables has none", () => {
    const reference = { symbol: "x", kind: "module-tls", offset: 0 } as const;
    expect(resolve(host, "ld-linux-x86-64.so.2", reference)).toMatchObject({
      refused: "unresolved-tls",
    });
  });

  test("addresses of the module count from its bias, up to the end of .bss", () => {
    const { elf, bias } = host.module("host");
    const big = symbolTable(elf).find(({ name }) => name === "big_bss");
    const end = (big?.st_value ?? 0) + (big?.st_size ?? 0);
    const at = (address: number) =>
      resolve(host, "host", { symbol: "x", kind: "module", address: fileAddr(address) });
    expect(at(end - 1)).toEqual({ kind: "address", address: said("big_bss") - 1 });
    expect(bias === 0).toBe(flags.includes("-no-pie"));
    expect(at(end + (1 << 24))).toMatchObject({ refused: "missing-symbol" });
  });

  test("an indirect function of the target itself is what it became", () => {
    const resolver = (target: string, name: string): SymbolReference => {
      const found = symbolTable(host.module(target).elf).find((entry) => entry.name === name);
      return { symbol: name, kind: "module", address: fileAddr(found?.st_value ?? Number.NaN) };
    };
    const choice = resolver("libone.so", "used_choice");
    expect(addressOf(host, "libone.so", choice)).toBe(said("used_choice"));
    const own = resolver("host", "static_choice");
    expect(addressOf(host, "host", own)).toBe(said("static_choice"));
  });

  const PROTOTYPES = `#include <string.h>
    int plain(int), versioned(int), used_choice(int), interposed(void), only_in_plugin(void);
    extern int table[], shared_data; extern __thread int main_tls, one_dynamic, plugin_tls[];
    extern __thread int one_local __attribute__((visibility("hidden")));
    extern __thread int one_more __attribute__((visibility("hidden")));
    extern __thread int one_static __attribute__((tls_model("initial-exec")));
    static int calls; static const char *volatile word = "word";`;

  test.each([
    [
      "host",
      `int patched(int x) { char b[64]; memset(b, x, 64); calls++; return plain(x) + versioned(x) +
         used_choice(x) + table[x] + shared_data + interposed() + b[3] + main_tls + one_dynamic; }`,
      20 + 4 + 102 + 3 + 11 + 2 + 2 + 41 + 21,
    ],
    [
      "libone.so",
      `int patched(int x) { one_local += x; return one_local + one_more + one_dynamic + one_static +
         interposed() + shared_data + used_choice(x) + strlen(word); }`,
      24 + 23 + 21 + 24 + 2 + 11 + 102 + 4,
    ],
    [
      "plugin.so",
      `int patched(int x) { return plugin_tls[x] + one_dynamic + plain(x) + only_in_plugin(); }`,
      33 + 21 + 20 + 9,
    ],
  ])("code linked for %s runs", async (target, source, expected) => {
    const compiled =
      target === "host" ? flags.split(" ").filter((f) => f.startsWith("-f")) : ["-fPIC"];
    const path = join(hosts.newFolder(), "patched");
    writeFileSync(`${path}.c`, PROTOTYPES + source);
    execFileSync("gcc", ["-O2", ...compiled, "-c", `${path}.c`, "-o", `${path}.o`]);
    const object = parseElf(readFileSync(`${path}.o`));
    const layout = planLayout(object);
    if (isRefusal(layout)) throw new Error(layout.detail);
    const own = symbolTable(host.module(target).elf);
    const linked = linkObject(object, layout, virtualAddr(said("area")), (name) => {
      const tls = own.find((entry) => entry.name === name && entry.type === STT.STT_TLS);
      const offset = tls?.st_value;
      if (!tls?.st_shndx || offset === undefined) return resolve(host, target, dynamic(name));
      return resolve(host, target, { symbol: "x", kind: "module-tls", offset });
    });
    if (isRefusal(linked)) throw new Error(`${linked.refused}: ${linked.detail}`);
    const modes = { "r--": 1, "rw-": 3, "r-x": 5 };
    for (const { offset, bytes, protection } of linked.segments) {
      writeFileSync(`${path}.${offset}`, bytes);
      const at = (linked.base + offset).toString(16);
      host.send(`${at} ${bytes.length.toString(16)} ${modes[protection]} ${path}.${offset} 0 0`);
    }
    host.send(`0 0 0 - ${linked.symbols.get("patched")?.toString(16)} 2`);
    expect(await host.answer()).toBe(`result ${expected}`);
  });
});
