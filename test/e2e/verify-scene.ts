/** A program with its hotpatch, and verifying it: for the tests of verifyHotpatch. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type VerifyReport,
  type VerifyRequest,
  type VerifyStepName,
  verifyHotpatch,
} from "@suture/builder";
import { type Engine, openEngine } from "@suture/engine";
import { expect } from "vitest";
import { openWorkshop, type Workshop } from "../live/victim.ts";

/** Refers to whatever code can refer to: libraries, data, constants, functions and their addresses. */
export const PROGRAM = `
#include <stdio.h>
#include <string.h>
int total = 5; static int (*chosen)(int);
__attribute__((noinline)) int twice(int x) { return x * 2; }
__attribute__((noinline)) int weigh(const char *text) { total += 3; return (int)strlen(text) + twice(total); }
__attribute__((noinline)) void choose(void) { chosen = twice; puts("faulty"); }
int main(int argc, char **argv) { puts("main has begun"); choose(); return weigh(argv[0]) + chosen(argc); }
`;
export const FIX = `
#include <stdio.h>
#include <string.h>
extern int total; static int (*chosen)(int); static const char *const words[] = { "one", "two" };
int twice(int x); int weigh(const char *text); void choose(void);
__attribute__((noinline)) static int helper(int x) { return x ^ (int)words[x & 1][0]; }
__attribute__((noinline)) int twice(int x) { return helper(x) + x * 2; }
__attribute__((noinline)) int weigh(const char *text) { if (!text) return 0; total += 3; return (int)strlen(text) + twice(total); }
__attribute__((noinline)) void choose(void) { chosen = twice; printf("fixed %p\\n", (void *)&chosen); }
`;

export const LIBRARY_FLAGS = ["-fPIC", "-shared", "-Wl,--build-id"];
export const FUNCTIONS = ["twice", "weigh", "choose"];

export interface VerifyScene {
  readonly workshop: Workshop;
  readonly engine: Engine;
  /** The program and the hotpatch file that fits it. */
  readonly program: string;
  readonly file: string;
  /** Makes a hotpatch file from C; `dynamic` are symbols of the process's libraries. */
  readonly makeFix: (
    id: string,
    binary: string,
    source: string,
    functions: readonly string[],
    dynamic?: readonly string[],
  ) => string;
  /** Verifies the file, but for what the changes say. */
  readonly verify: (changes?: Partial<VerifyRequest>) => Promise<VerifyReport>;
  /** The same, and does something to the process before a step. */
  readonly damaging: (at: VerifyStepName, damage: (pid: number) => void) => Promise<VerifyReport>;
}

export function openVerifyScene(): VerifyScene {
  const workshop = openWorkshop();
  const engine = openEngine();
  const makeFix: VerifyScene["makeFix"] = (id, binary, source, functions, dynamic = []) => {
    workshop.makeHotpatch({ id, binary, source, functions, dynamic, flags: ["-fPIC"] });
    return join(workshop.folder, `${id}.hotpatch`);
  };
  const program = workshop.compile("program", PROGRAM, ["-Wl,--build-id", "-fPIE", "-pie"]);
  const file = makeFix("fix-1", program, FIX, FUNCTIONS, ["strlen", "printf"]);
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
  const damaging: VerifyScene["damaging"] = (at, damage) =>
    verify({
      onStep: (step, pid) => {
        if (step === at && pid !== undefined) damage(pid);
      },
    });
  return { workshop, engine, program, file, makeFix, verify, damaging };
}

export const namesOf = ({ steps }: VerifyReport): string[] => steps.map(({ name }) => name);

/** The report of a hotpatch that is confirmed; a problem is shown whole. */
export function confirmed(report: VerifyReport): VerifyReport {
  expect(report.problem).toBeUndefined();
  expect(report).toMatchObject({ ok: true, applied: true, reverted: true });
  expect(existsSync(`/proc/${report.pid}`)).toBe(false);
  return report;
}
