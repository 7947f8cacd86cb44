/** verifyHotpatch on processes of its own: what it confirms, and that it can say no. */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type VerifyReport, type VerifyRequest, verifyHotpatch } from "@suture/builder";
import { openEngine, sealHotpatch } from "@suture/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hotpatchMaps, mappedAt, writeProcess } from "../live/snapshot.ts";
import { addressOf, openWorkshop } from "../live/victim.ts";

const workshop = openWorkshop();
const engine = openEngine();
afterAll(() => workshop.close());

/** Refers to whatever code can refer to: libraries, data, constants, functions and their addresses. */
const PROGRAM = `
#include <stdio.h>
#include <string.h>
int total = 5; static int (*chosen)(int);
__attribute__((noinline)) int twice(int x) { return x * 2; }
__attribute__((noinline)) int weigh(const char *text) { total += 3; return (int)strlen(text) + twice(total); }
__attribute__((noinline)) void choose(void) { chosen = twice; puts("faulty"); }
int main(int argc, char **argv) { puts("main has begun"); choose(); return weigh(argv[0]) + chosen(argc); }
`;
const FIX = `
#include <stdio.h>
#include <string.h>
extern int total; static int (*chosen)(int); static const char *const words[] = { "one", "two" };
int twice(int x); int weigh(const char *text); void choose(void);
__attribute__((noinline)) static int helper(int x) { return x ^ (int)words[x & 1][0]; }
__attribute__((noinline)) int twice(int x) { return helper(x) + x * 2; }
__attribute__((noinline)) int weigh(const char *text) { if (!text) return 0; total += 3; return (int)strlen(text) + twice(total); }
__attribute__((noinline)) void choose(void) { chosen = twice; printf("fixed %p\\n", (void *)&chosen); }
`;
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

const FUNCTIONS = ["twice", "weigh", "choose"];

let program = "";
let file = "";

beforeAll(() => {
  program = workshop.compile("program", PROGRAM, ["-Wl,--build-id", "-fPIE", "-pie"]);
  file = makeFix("fix-1", program, FIX, FUNCTIONS, ["strlen", "printf"]);
});

function makeFix(
  id: string,
  binary: string,
  source: string,
  functions: readonly string[],
  dynamic: readonly string[] = [],
): string {
  workshop.makeHotpatch({ id, binary, source, functions, dynamic, flags: ["-fPIC"] });
  return join(workshop.folder, `${id}.hotpatch`);
}

const verify = (changes: Partial<VerifyRequest> = {}): Promise<VerifyReport> =>
  verifyHotpatch({
    hotpatch: file,
    binary: program,
    env: process.env,
    engine,
    cacheFolder: join(workshop.folder, "cache"),
    timeoutMs: 20_000,
    ...changes,
  });

const namesOf = ({ steps }: VerifyReport): string[] => steps.map(({ name }) => name);
const ALL = ["start", "apply", "redirects", "revert", "memory", "end"];

/** The report of a hotpatch that is confirmed; a problem is shown whole. */
function confirmed(report: VerifyReport): VerifyReport {
  expect(report.problem).toBeUndefined();
  expect(report).toMatchObject({ ok: true, applied: true, reverted: true });
  expect(existsSync(`/proc/${report.pid}`)).toBe(false);
  return report;
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
});
