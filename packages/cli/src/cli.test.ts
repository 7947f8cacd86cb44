import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import type { VerifyReport, VerifyRequest } from "@suture/builder";
import type { Engine, Hotpatch } from "@suture/engine";
import { describe, expect, test } from "vitest";
import { runCli } from "./cli.ts";
import type { Context } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import type { BuilderParts, ProcessSummary } from "./parts.ts";

/** What the engine would be asked; every call is noted. Real processes: test/e2e. */
function contextWith(engine: Partial<Engine>, calls: string[] = []): Context {
  const noted = new Proxy(engine as Engine, {
    get:
      (target, name: keyof Engine) =>
      (...args: never[]) => {
        calls.push(`${name} ${JSON.stringify(args[0] ?? null)}`);
        const call = target[name] as ((...all: never[]) => unknown) | undefined;
        return call?.(...args);
      },
  });
  const description = {
    format: 1,
    id: "fix-1",
    sequence: 1,
    target: { buildId: "aa11", name: "server" },
    functions: [],
    references: [],
  };
  return {
    engine: async () => ({
      engine: noted,
      isRefusal: (value): value is never =>
        typeof value === "object" && value !== null && "refused" in value,
      parseHotpatch: () => ({ bytes: new Uint8Array(), description }) as unknown as Hotpatch,
      sectionNamed: () => undefined,
    }),
    builder: () => Promise.reject(new Error("no builder here")),
    release: () => Promise.reject(new Error("no release channel here")),
    agent: () => Promise.reject(new Error("no agent here")),
    endSignal: () => new AbortController().signal,
    readFile: () => new Uint8Array(),
    writeFile: () => undefined,
    progress: () => undefined,
    version: "1.2.3",
    env: {},
    cacheFolder: "/nowhere",
  };
}

const run = (text: string, context = contextWith({})) =>
  runCli(text === "" ? [] : text.split(" "), COMMANDS, context);

const processOf = (pid: number, buildId: string, applied: string[] = []): ProcessSummary => ({
  pid,
  command: "server",
  executable: "/server",
  modules: [{ path: "/server", buildId, deleted: false }],
  patchable: true,
  applied,
});

const REFUSAL = { refused: "changed-code", detail: "function f differs", next: "build" } as const;

describe("usage", () => {
  test.each([
    ["frobnicate", "there is no command frobnicate"],
    ["apply x.hotpatch", "which process? give --pid PID or --all"],
    ["apply --pid 1 --all x.hotpatch", "--pid and --all exclude each other"],
    ["apply --pid 1x x.hotpatch", "--pid 1x is no process id"],
    ["apply --pid 0 x.hotpatch", "--pid 0 is no process id"],
    ["apply --pid 1", "FILE is missing"],
    ["apply --pid 1 a b", "one FILE is enough: b"],
    ["apply --pid 1 --timeout 0 a", "--timeout 0"],
    ["apply --force --pid 1 a", "'--force'"],
    ["revert --all", "ID is missing"],
    ["status 12", "status takes no 12"],
    ["build", "what is to be built?"],
    ["build --deb a --source b", "what is to be built?"],
    ["build --deb a --from 1", "where is the fix?"],
    ["build --source a --patch p", "how is it compiled?"],
    ["verify", "FILE is missing"],
    ["verify x --host a --run b", "--host and --run exclude each other"],
    ["verify x --threads many", "--threads many"],
    ["verify x --timeout 0", "--timeout 0"],
    ["verify x --pid 1", "'--pid'"],
    ["completion ksh", "no completion for ksh"],
  ])("suture %s", async (words, complaint) => {
    const outcome = await run(words);
    expect(outcome.exit).toBe("usage");
    expect(outcome.problem?.detail).toContain(complaint);
  });

  test("help shows an example for each command, and every exit code", async () => {
    for (const { name } of COMMANDS)
      for (const words of [`help ${name}`, `${name} --help`]) {
        const { exit, document } = await run(words);
        expect(exit).toBe("done");
        expect(document.help).toMatch(/example:\n {2}(source <\()?suture /);
      }
    expect((await run("")).document.help).toMatch(/ {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 .*\n {2}4 /);
  });
});

describe("commands on processes", () => {
  test("finish what a killed command left, before anything else", async () => {
    const calls: string[] = [];
    const recover = (pid: number) => ({ pid, actions: ["undid the interrupted apply of fix-0"] });
    const engine = { recover, apply: () => [] };
    const outcome = await run("apply --pid 7 x.hotpatch", contextWith(engine, calls));
    expect(calls).toEqual(["recover 7", "apply [7]"]);
    expect(JSON.stringify(outcome.blocks)).toContain(
      "process 7: an earlier command was cut short: undid the interrupted apply of fix-0",
    );
  });

  test("apply --all takes the processes of that Build-ID which lack it, as one transaction", async () => {
    const calls: string[] = [];
    const processes = () => [
      processOf(1, "aa11"),
      processOf(2, "bb22"),
      processOf(3, "aa11", ["fix-1"]),
      processOf(4, "aa11"),
    ];
    await run("apply --all x", contextWith({ processes, apply: () => [] }, calls));
    expect(calls).toContain("apply [1,4]");
  });

  test("a refusal says reason, object and next step, and exits with refused", async () => {
    const context = contextWith({ apply: () => ({ ...REFUSAL, pid: 7 }) });
    const outcome = await run("apply --pid 7 x", context);
    expect(outcome.exit).toBe("refused");
    expect(outcome.problem).toEqual({
      reason: "changed-code",
      detail: "process 7: function f differs",
      next: "build",
    });
  });

  test("a revert that stopped half-way is a failure, and names who is left", async () => {
    const status = (pid: number) => (pid === 1 ? [] : [{ id: "fix-1" } as never]);
    const context = contextWith({ revert: () => ({ ...REFUSAL, pid: 2 }), status });
    const outcome = await run("revert --pid 1 --pid 2 fix-1", context);
    expect(outcome.exit).toBe("failed");
    expect(outcome.document.left).toEqual([2]);
  });

  test.each(["apply --all x", "revert --all fix-1", "ps x"])(
    "suture %s finds no process",
    async (words) => {
      expect((await run(words, contextWith({ processes: () => [] }))).exit).toBe("nothing");
    },
  );

  test("a file that cannot be read is a failure that names it", async () => {
    const readFile = (): never => {
      throw Object.assign(new Error("ENOENT: no such file, open 'x'"), {
        code: "ENOENT",
        syscall: "open",
      });
    };
    const outcome = await run("inspect x", { ...contextWith({}), readFile });
    expect(outcome.exit).toBe("failed");
    expect(outcome.problem).toMatchObject({
      reason: "ENOENT",
      detail: "ENOENT: no such file, open 'x'",
    });
  });
});

describe("verify", () => {
  const verifyWith = async (words: string, report: Partial<VerifyReport>) => {
    const requests: VerifyRequest[] = [];
    const verifyHotpatch = async (request: VerifyRequest): Promise<VerifyReport> => {
      requests.push(request);
      const base = { ok: true, applied: true, reverted: true, functions: [], steps: [] };
      return { ...base, milliseconds: 250, id: "fix-1", ...report };
    };
    const builder = async () => ({ verifyHotpatch }) as unknown as BuilderParts;
    const outcome = await run(words, { ...contextWith({}), builder });
    return { outcome, request: requests[0] };
  };

  test("hands on what was asked for, with whole paths", async () => {
    const words =
      "verify x --binary b --library-path l --root / --threads 3 --timeout 9 --test true";
    const { request } = await verifyWith(words, {});
    expect(request).toMatchObject({
      hotpatch: resolve("x"),
      binary: resolve("b"),
      libraryPath: [resolve("l")],
      root: "/",
      threads: 3,
      timeoutMs: 9000,
      test: "true",
      cacheFolder: "/nowhere",
    });
    expect(request).not.toHaveProperty("run");
  });

  test("shows each step, and the one that failed", async () => {
    const steps = [
      { name: "apply", ok: true, detail: "1 replaced", milliseconds: 1 },
      { name: "redirects", ok: false, detail: "f: no jump", milliseconds: 1 },
    ] as const;
    const problem = { reason: "not-redirected", detail: "f: no jump", next: "report" } as const;
    const { outcome } = await verifyWith("verify x", { ok: false, steps, problem });
    expect(outcome.blocks).toEqual([
      { kind: "line", text: "ok      apply      1 replaced" },
      { kind: "line", text: "FAILED  redirects  f: no jump" },
    ]);
    expect(outcome.problem).toEqual(problem);
    expect(outcome.document).toMatchObject({ id: "fix-1", steps });
  });

  test.each([
    ["not-redirected", true, "failed"],
    ["test-failed", true, "failed"],
    ["function-on-stack", true, "failed"],
    ["process-ended", false, "failed"],
    ["cannot-start", false, "failed"],
    ["wrong-build-id", false, "refused"],
    ["bad-hotpatch", false, "refused"],
    ["function-on-stack", false, "refused"],
    ["no-baseline", false, "nothing"],
  ] as const)("%s, applied %s: ends as %s", async (reason, applied, exit) => {
    const problem = { reason, detail: "d", next: "n" };
    const { outcome } = await verifyWith("verify x", { ok: false, applied, problem });
    expect(outcome.exit).toBe(exit);
  });
});

describe("completion", () => {
  const script = async (shell: string) =>
    String((await run(`completion ${shell}`)).document.script);

  test("bash completes commands, options and files", async () => {
    const complete = async (words: string[]) => {
      const test = `${await script("bash")}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_suture; echo "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = spawnSync("bash", ["-c", test], { encoding: "utf8", cwd: "/usr" });
      expect(stderr).toBe("");
      return stdout.trim().split(" ");
    };
    expect(await complete(["suture", "rev"])).toEqual(["revert"]);
    expect(await complete(["suture", "release", "w"])).toEqual(["withdraw"]);
    expect(await complete(["suture", "release", "withdraw", "--rea"])).toEqual(["--reason"]);
    expect(await complete(["suture", "apply", "--ti"])).toEqual(["--timeout"]);
    expect(await complete(["suture", "verify", "--th"])).toEqual(["--threads"]);
    expect(await complete(["suture", "inspect", "bi"])).toEqual(["bin"]);
    expect(await complete(["suture", "apply", "--pid", String(process.pid)])).toContain(
      `${process.pid}`,
    );
    expect(await complete(["suture", "completion", ""])).toEqual(["bash", "zsh", "fish"]);
  });

  test("every shell's script knows every command", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const text = await script(shell);
      for (const { name } of COMMANDS) {
        // Fish is told of the second word of a command once the first stands there.
        const words = shell === "fish" ? name.split(" ") : [name];
        const last = shell === "fish" ? `-a ${words.at(-1)}` : name;
        expect(text).toContain(last);
      }
    }
  });
});
