/** verifyHotpatch on processes of its own: programs, libraries and plug-ins of every kind. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { VerifyRequest } from "@suture/builder";
import { afterAll, describe, expect, test } from "vitest";
import { hotpatchMaps } from "../live/snapshot.ts";
import { confirmed, FUNCTIONS, LIBRARY_FLAGS, namesOf, openVerifyScene } from "./verify-scene.ts";

const { workshop, program, file, makeFix, verify } = openVerifyScene();
afterAll(() => workshop.close());

const LIBRARY = `
#include <string.h>
int count_words(const char *text); static int calls; extern int host_level __attribute__((weak));
__attribute__((noinline)) int count_words(const char *text) { calls++; return (int)strlen(text) / 6 + calls; }
`;
const LIBRARY_FIX = `
#include <string.h>
int count_words(const char *text);
__attribute__((noinline)) int count_words(const char *text) { return text ? (int)strlen(text) / 5 : 0; }
`;
const PLUGIN = `extern int host_level; int level(void); int level(void) { return host_level + 1; }`;
const PLUGIN_FIX = `extern int host_level; int level(void); int level(void) { return host_level + 2; }`;
const HOST = `#include <stdio.h>
int host_level = 4; int main(void) { puts("host"); return 0; }`;

const RUNNING = `
#include <unistd.h>
int answer(int x); __attribute__((noinline)) int answer(int x) { return x * 77 + x % 13; }
int main(int count, char **words)
{
  if (count > 1 && fork()) return 0;
  if (count > 1) setsid();
  for (int turn = 0; turn < 100000; turn++) usleep(1000 + answer(turn) % 2 + (words[0] == 0));
}`;
const RUNNING_FIX = `int answer(int x); int answer(int x) { return x * 78; }`;

const ALL = ["start", "apply", "redirects", "revert", "memory", "end"];

/** A program and what ldd(1) says that it needs, at their places in `root`. */
function copyWithLibraries(program: string, root: string): void {
  const needed = execFileSync("ldd", [program], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
  for (const path of [program, ...needed]) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(path, join(root, path));
  }
}

describe("confirms a hotpatch", () => {
  test("for a program, before its main function has begun", async () => {
    const seen: string[] = [];
    const report = confirmed(
      await verify({
        onStep: (step, pid) => {
          seen.push(`${step} ${pid === undefined ? "" : hotpatchMaps(pid).length > 0}`.trim());
        },
      }),
    );
    expect(namesOf(report)).toEqual(ALL);
    expect(report.functions.map(({ name }) => name)).toEqual(FUNCTIONS);
    expect(seen).toEqual([
      ...["start", "apply false", "redirects true", "revert true", "memory false", "end false"],
    ]);
  });

  test("with threads that sleep", async () => {
    let threads = 0;
    const onStep: VerifyRequest["onStep"] = (step, pid) => {
      if (step === "redirects") threads = readdirSync(`/proc/${pid}/task`).length;
    };
    confirmed(await verify({ threads: 5, onStep }));
    expect(threads).toBe(6);
  });

  test("for a library, in a program that waits", async () => {
    const binary = workshop.compile("libwords.so", LIBRARY, LIBRARY_FLAGS);
    const hotpatch = makeFix("fix-library", binary, LIBRARY_FIX, ["count_words"], ["strlen"]);
    confirmed(await verify({ hotpatch, binary }));
  });

  test("for a library whose path cannot be preloaded", async () => {
    const binary = workshop.compile("lib words:1.so", LIBRARY, LIBRARY_FLAGS);
    const hotpatch = makeFix("fix-blank", binary, LIBRARY_FIX, ["count_words"], ["strlen"]);
    confirmed(await verify({ hotpatch, binary }));
  });

  test("for a plug-in, in the program that it is a part of", async () => {
    const host = workshop.compile("host", HOST, ["-rdynamic"]);
    const binary = workshop.compile("plugin.so", PLUGIN, LIBRARY_FLAGS);
    const hotpatch = makeFix("fix-plugin", binary, PLUGIN_FIX, ["level"], ["host_level"]);
    const alone = await verify({ hotpatch, binary });
    expect(alone.problem).toMatchObject({ reason: "cannot-start" });
    expect(alone.problem?.next).toContain("--host");
    confirmed(await verify({ hotpatch, binary, host }));
  });

  test("for a program that calls an indirect function which nothing has resolved yet", async () => {
    const source = `#include <string.h>
int main(int count, char **words) { return count > 9 ? (int)strlen(words[1]) : 0; }
int size(const char *text); __attribute__((noinline)) int size(const char *text) { return (int)strlen(text); }`;
    const binary = workshop.compile("lazy", source, ["-Wl,--build-id", "-Wl,-z,lazy", "-fPIE"]);
    const fix = `#include <string.h>
int size(const char *text); int size(const char *text) { return text ? (int)strlen(text) : 0; }`;
    const hotpatch = makeFix("fix-lazy", binary, fix, ["size"], ["strlen"]);
    confirmed(await verify({ hotpatch, binary }));
  });

  test("for a setuid program, which would ignore what is preloaded", async () => {
    const binary = join(workshop.folder, "setuid");
    copyFileSync(program, binary);
    chownSync(binary, process.getuid?.() === 0 ? 1 : (process.getuid?.() as number), 0);
    chmodSync(binary, 0o4755);
    confirmed(await verify({ binary }));
  });

  test("for a static program, which is run", async () => {
    const flags = ["-static", "-Wl,--build-id", "-fno-pie", "-no-pie"];
    const binary = workshop.compile("static", RUNNING, flags);
    const hotpatch = makeFix("fix-static", binary, RUNNING_FIX, ["answer"]);
    const held = await verify({ hotpatch, binary });
    expect(held.problem).toMatchObject({ reason: "cannot-start" });
    expect(held.problem?.next).toContain("--run");
    confirmed(await verify({ hotpatch, binary, run: `exec '${binary}'` }));
  });

  test("for a daemon, which ends although its parent has ended", async () => {
    const binary = workshop.compile("daemon", RUNNING, ["-Wl,--build-id", "-fPIE", "-pie"]);
    const hotpatch = makeFix("fix-daemon", binary, RUNNING_FIX, ["answer"]);
    confirmed(await verify({ hotpatch, binary, run: `'${binary}' daemon` }));
  });

  test.skipIf(process.getuid?.() !== 0)(
    "in a build root, whose libraries it needs [needs another user]",
    async () => {
      const root = join(workshop.folder, "root");
      const soname = ["-Wl,-soname,libonly.so.1"];
      const source = "int only(int x); int only(int x) { return x * 5; }";
      const library = workshop.compile("libonly.so.1", source, [...LIBRARY_FLAGS, ...soname]);
      const uses = `int only(int x); int main(void) { return only(1); }
int f(int x); __attribute__((noinline)) int f(int x) { return only(x) + 1; }`;
      const binary = workshop.compile("uses", uses, ["-Wl,--build-id", library]);
      const fix = "int only(int x); int f(int x); int f(int x) { return only(x) + 2; }";
      const hotpatch = makeFix("fix-root", binary, fix, ["f"]);
      for (const file of ["/usr/bin/env", "/bin/cat"]) copyWithLibraries(file, root);
      const away = join(root, "usr/lib/libonly.so.1");
      mkdirSync(dirname(away), { recursive: true });
      renameSync(library, away);
      expect((await verify({ hotpatch, binary })).problem?.reason).toBe("cannot-start");
      confirmed(await verify({ hotpatch, binary, root }));
      confirmed(await verify({ hotpatch, binary, libraryPath: [dirname(away)] }));
      expect(readdirSync(join(root, "tmp"))).toEqual([]);
    },
  );

  test("while the package's own test succeeds", async () => {
    const note = join(workshop.folder, "note");
    const command = `cp /proc/$SUTURE_PID/maps '${note}' && echo "$SUTURE_HOTPATCH_ID" >> '${note}'`;
    expect(namesOf(confirmed(await verify({ test: command })))).toContain("test");
    expect(readFileSync(note, "utf8")).toMatch(/memfd:suture:fix-1 .*\n(.*\n)*fix-1\n$/);
  });
});

test("nothing is left when whoever verifies is killed", async () => {
  const script = `
    import { verifyHotpatch } from "@suture/builder";
    await verifyHotpatch({ hotpatch: ${JSON.stringify(file)}, binary: ${JSON.stringify(program)},
      env: process.env, onStep: (step, pid) => {
        if (step !== "redirects") return;
        console.log(pid);
        return new Promise(() => setInterval(() => {}, 1000));
      } });`;
  const verifier = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: workshop.folder },
  });
  const [text] = (await once(verifier.stdout, "data")) as [Buffer];
  const pid = Number(text.toString());
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  verifier.kill("SIGKILL");
  // Whoever inherits it may take its time to look how it ended.
  const lives = (): boolean =>
    existsSync(`/proc/${pid}`) && / [^ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  await expect.poll(lives, { timeout: 5000 }).toBe(false);
});
