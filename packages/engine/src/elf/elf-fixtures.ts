import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder for what one test file makes; who made it removes it. */
export const createFolder = (name: string): string =>
  mkdtempSync(join(tmpdir(), `suture-${name}-`));

/** Whether all programs are there. Where one is missing it says so, and in CI it throws. */
export function hasPrograms(...programs: readonly string[]): boolean {
  const missing = programs.filter((program) => spawnSync(program, ["--version"]).status !== 0);
  if (missing.length === 0) return true;
  const message = `SKIPPED: ${missing.join(", ")} missing`;
  if (process.env.CI) throw new Error(message);
  console.warn(message);
  return false;
}

/** Standard output of a program. readelf ends with 1 for a mere warning, so status 1 passes. */
export function output(program: string, ...args: readonly string[]): string {
  const result = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 30 });
  if (result.error) throw result.error;
  if (result.status !== 0 && result.status !== 1) throw new Error(`${program}: ${result.stderr}`);
  return result.stdout;
}

/** Runs a program that must succeed and say nothing on standard error. */
export function runQuietly(program: string, ...args: readonly string[]): void {
  const result = spawnSync(program, args, { encoding: "utf8" });
  if (result.error) throw result.error;
  if (result.status !== 0 || result.stderr !== "") {
    throw new Error(`${program} ${args.join(" ")}: status ${result.status}\n${result.stderr}`);
  }
}

/** Compiles C (or, with the extension "s", assembly) and gives the path of what gcc wrote. */
export function compile(
  folder: string,
  request: { name: string; source: string; flags: readonly string[]; extension?: "c" | "s" },
): string {
  const source = join(folder, `${request.name}.${request.extension ?? "c"}`);
  const path = join(folder, request.name);
  writeFileSync(source, request.source);
  runQuietly("gcc", source, "-o", path, ...request.flags);
  return path;
}

/** A copy of the file's bytes that may be changed. */
export const readCopy = (path: string): Uint8Array => new Uint8Array(readFileSync(path));

/** A program with most kinds of sections, symbols and relocations that C can give. */
export const VARIED_SOURCE = `
  #include <pthread.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  __thread int per_thread = 3;
  static __thread int local_per_thread;
  int common_value[40];
  static int zero[100];
  const char *const names[] = { "one", "two", "three" };
  extern int elsewhere __attribute__((weak));
  __attribute__((visibility("hidden"))) int hidden(int x) { return x + local_per_thread++; }
  static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
  int protected_function(int n, ...) __attribute__((visibility("protected")));
  int protected_function(int n, ...) { return n + zero[n % 100] + per_thread; }
  static double half(double x) { return x / 2.5; }
  static int resolved(void) { return 1; }
  static void *resolver(void) { return resolved; }
  int indirect(void) __attribute__((ifunc("resolver")));
  int main(int argc, char **argv) {
    qsort(argv, argc, sizeof *argv, compare);
    if (&elsewhere) common_value[1] = elsewhere;
    switch (argc) {
      case 1: puts("a"); break; case 2: puts("b"); break; case 3: puts("c"); break;
      case 4: puts("d"); break; case 5: abort(); case 6: puts(names[argc - 6]); break;
    }
    pthread_exit((void *)(long)(hidden(argc) + protected_function(argc) + half(argc) + indirect()));
  }
`;
