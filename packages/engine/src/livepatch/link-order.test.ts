import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fileAddr } from "../bytes/address.ts";
import { parseElf } from "../elf/file.ts";
import { symbolTable } from "../elf/symbol.ts";
import { hasTools } from "../tools-fixture.ts";
import { type HostProcess, openHostFolder } from "./host-process-fixture.ts";
import { breadthFirst, findExecutable, linkOrder } from "./link-order.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";
import type { SymbolReference } from "./patch-description.ts";
import { createResolver } from "./resolve.ts";

const hosts = openHostFolder();
const canCompile = hasTools(["gcc"], "the order of modules is not tested");

const MAIN = `
  #include <stdio.h>
  #include <unistd.h>
  int f(void) __attribute__((weak)); int g(void) __attribute__((weak));
  static __thread int variable = 5; static __thread char more[70] __attribute__((aligned(32)));
  int chosen(int x) { return x * 7; } static void *choose(void) { return (void *)chosen; }
  static int choice(int) __attribute__((ifunc("choose")));
  int main(int argc, char **argv) {
    more[argc] = choice(argc);
    printf("%lx %lx %lx %lx\\n", (long)f, (long)g, (long)chosen,
           (long)((char *)&variable - (char *)__builtin_thread_pointer()));
    fflush(stdout); variable = argc; return getchar() + variable;
  }`;

interface Host extends HostProcess {
  /** Addresses of f, g and chosen, and the offset of variable from the thread pointer. */
  readonly said: readonly number[];
}

async function start(
  flags: readonly string[],
  environment: Record<string, string> = {},
): Promise<Host> {
  const cwd = hosts.newFolder();
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);
  const gcc = (...args: string[]) => execFileSync("gcc", ["-O2", ...args], { cwd });
  write("main.c", MAIN);
  write("a.c", "int f(void) { return 1; } int g(void) { return 2; }");
  write("b.c", "int f(void) { return 3; }");
  gcc("-shared", "-fPIC", "a.c", "-o", "liba.so");
  gcc("-shared", "-fPIC", "b.c", "-o", "libb.so");
  const libraries = flags.some((flag) => flag.startsWith("-static"))
    ? []
    : ["-L.", "-Wl,--no-as-needed", "-la", "-Wl,-rpath,$ORIGIN"];
  gcc(...flags, "main.c", ...libraries, "-o", "host");
  const child = spawn(join(cwd, "host"), [], {
    cwd,
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const died = once(child, "exit").then(() => Promise.reject(new Error("the program died")));
  const [line] = await Promise.race([once(child.stdout, "data"), died]);
  died.catch(() => undefined);
  const { modules, readMemory } = hosts.open(child);
  return {
    modules: modules.filter(({ path }) => path.startsWith("/")),
    readMemory,
    said: String(line)
      .trim()
      .split(" ")
      .map((word) => Number(BigInt.asIntN(64, BigInt(`0x${word}`)))),
  };
}

function resolve(host: Host, reference: SymbolReference, readMemory = host.readMemory) {
  const modules = linkOrder(host.modules, readMemory);
  const target = findExecutable(modules);
  if (!target) throw new Error("no program");
  return createResolver({ modules, target, references: [reference], readMemory })(reference.symbol);
}

const names = (modules: readonly LoadedModule[]) => modules.map(({ name }) => name);

describe.runIf(canCompile)("a preloaded library", () => {
  test("comes before what the program needs", async () => {
    const host = await start([], { LD_PRELOAD: "./libb.so" });
    const order = linkOrder([...host.modules].reverse(), host.readMemory);
    expect(names(order)).toEqual([
      "host",
      "libb.so",
      "liba.so",
      "libc.so.6",
      "ld-linux-x86-64.so.2",
    ]);
    for (const [i, name] of ["f", "g"].entries())
      expect(resolve(host, { symbol: name, kind: "dynamic", name })).toEqual({
        kind: "address",
        address: host.said[i],
      });
  });
});

describe.runIf(canCompile).each([["-static"], ["-static-pie"]])(
  "a program linked with %s",
  (flag) => {
    test("is all there is", async () => {
      const host = await start([flag]);
      expect(names(linkOrder(host.modules, host.readMemory))).toEqual(["host"]);
      const symbols = symbolTable(host.modules[0]?.elf ?? parseElf(new Uint8Array(0)));
      const value = (name: string) =>
        symbols.find((symbol) => symbol.name === name)?.st_value ?? -1;
      const choose = fileAddr(value("choose"));
      expect(resolve(host, { symbol: "choice", kind: "module", address: choose })).toEqual({
        kind: "address",
        address: host.said[2],
      });
      const offset = value("variable");
      expect(resolve(host, { symbol: "variable", kind: "module-tls", offset })).toEqual({
        kind: "tls",
        offset,
        moduleId: 1,
        threadPointerOffset: host.said[3],
      });
      const absent = { symbol: "f", kind: "dynamic", name: "f" } as const;
      expect(resolve(host, absent)).toMatchObject({ refused: "missing-symbol" });
    });
  },
);

describe.runIf(canCompile)("hostile memory", () => {
  let host: Host;
  beforeAll(async () => {
    host = await start([]);
  });

  /** The process's memory, but the words of each link_map (40 bytes) are changed. */
  const withLinkMaps =
    (change: (words: BigUint64Array, address: number) => void): ReadMemory =>
    (address, size) => {
      const bytes = host.readMemory(address, size);
      if (!bytes || size !== 40) return bytes;
      const words = new BigUint64Array(Uint8Array.from(bytes).buffer);
      change(words, address);
      return new Uint8Array(words.buffer);
    };

  const expectStartOrder = (readMemory: ReadMemory) => {
    const [executable] = linkOrder(host.modules, readMemory);
    expect(names(linkOrder(host.modules, readMemory))).toEqual(
      names(executable ? breadthFirst(executable, host.modules) : []),
    );
  };

  test("a list that ends in itself", () => {
    expectStartOrder(withLinkMaps((words, address) => words.set([BigInt(address)], 3)));
  });

  test("a list without end", () => {
    expectStartOrder((address, size) => {
      if (size !== 40) return host.readMemory(address, size);
      return new Uint8Array(BigUint64Array.from([0n, 0n, 0n, BigInt(address) + 8n, 0n]).buffer);
    });
  });

  test("modules that are elsewhere", () => {
    expectStartOrder(withLinkMaps((words) => words.set([0x1234_0000n], 0)));
  });

  test("addresses that are none", () => {
    expectStartOrder(withLinkMaps((words) => words.set([2n ** 64n - 1n], 3)));
    expectStartOrder(() => undefined);
    expectStartOrder((_, size) => new Uint8Array(size).fill(0xff));
  });

  test("a list that is being changed", () => {
    expectStartOrder((address, size) => {
      const bytes = host.readMemory(address, size);
      if (bytes && size === 32) bytes[24] = 1;
      return bytes;
    });
  });

  test("slots that contradict each other", () => {
    let count = 0;
    const libc = host.modules.find(({ name }) => name === "libc.so.6");
    if (!libc) throw new Error("no libc");
    const found = createResolver({
      modules: linkOrder(host.modules, host.readMemory),
      target: libc,
      references: [{ symbol: "x", kind: "module-tls", offset: 0 }],
      readMemory: (_, size) => new Uint8Array(BigInt64Array.of(BigInt(--count)).buffer, 0, size),
    })("x");
    expect(found).toMatchObject({
      refused: "unresolved-tls",
      detail: expect.stringContaining("libc.so.6"),
    });
  });
});
