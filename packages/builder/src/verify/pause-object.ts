/**
 * The object that holds a program before its main function begins.
 *
 * It is preloaded. When its constructor runs, the program and its libraries are mapped and
 * relocated, and no line of the program's own code has run: no port is opened, no file is written.
 * There it loads one more library if it is asked to, starts threads that sleep, says on standard
 * output that it is ready, and waits until its standard input is closed. Then the program ends.
 *
 * It brings no library along and asks for no version of one, for it has to load beside whatever
 * C library a build root holds: it makes its system calls itself, and takes dlopen and
 * pthread_create only where they are there (weak symbols).
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failureText, runCommand } from "../run-command.ts";
import { problem, type VerifyProblem } from "./problems.ts";

/** Written to standard output when the process can be worked on. */
export const READY_LINE = "suture: paused";
/** Begins the line that says why not. */
export const FAILED_LINE = "suture: failed: ";

/** The environment by which the object is told what to do. */
export const PAUSE_VARIABLES = {
  /** Without it the object does nothing: programs that prepare the process run with it, too. */
  pause: "SUTURE_VERIFY_PAUSE",
  load: "SUTURE_VERIFY_LOAD",
  threads: "SUTURE_VERIFY_THREADS",
} as const;

const SOURCE = `
#include <sys/syscall.h>
#define weak __attribute__((weak))
extern void *dlopen(const char *, int) weak;
extern char *dlerror(void) weak;
extern int pthread_create(unsigned long *, const void *, void *(*)(void *), void *) weak;
enum { RTLD_LAZY = 1, RTLD_GLOBAL = 0x100, PR_SET_PDEATHSIG = 1, SIGKILL = 9 };

static long call(long number, long a, long b, long c)
{
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

static void say(const char *text)
{
  long size = 0;
  while (text[size]) size++;
  call(SYS_write, 1, (long)text, size);
}

static void fail(const char *why)
{
  say("${FAILED_LINE}"); say(why); say("\\n");
  call(SYS_exit_group, 125, 0, 0);
}

static const char *variable(char **environment, const char *name)
{
  for (; *environment; environment++) {
    const char *text = *environment, *rest = name;
    while (*rest && *text == *rest) text++, rest++;
    if (!*rest && *text == '=') return text + 1;
  }
  return 0;
}

static void *sleeper(void *unused)
{
  for (;;) call(SYS_pause, 0, 0, 0);
  return unused;
}

__attribute__((constructor)) static void pause_here(int count, char **words, char **environment)
{
  char byte;
  (void)count; (void)words;
  if (!variable(environment, "${PAUSE_VARIABLES.pause}")) return;
  call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
  const char *library = variable(environment, "${PAUSE_VARIABLES.load}");
  if (library && !dlopen) fail("its C library has no dlopen");
  if (library && !dlopen(library, RTLD_LAZY | RTLD_GLOBAL)) fail(dlerror ? dlerror() : library);
  const char *threads = variable(environment, "${PAUSE_VARIABLES.threads}");
  long left = 0;
  while (threads && *threads >= '0' && *threads <= '9') left = left * 10 + *threads++ - '0';
  if (left && !pthread_create) fail("its C library has no pthread_create");
  for (unsigned long id; left > 0; left--)
    if (pthread_create(&id, 0, sleeper, 0)) fail("it could not start a thread");
  say("${READY_LINE}\\n");
  while (call(SYS_read, 0, (long)&byte, 1) != 0) {}
  call(SYS_exit_group, 0, 0, 0);
}
`;

/** Compiles the object into `folder`, or finds it there from another time; gives its path. */
export async function preparePauseObject(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | VerifyProblem> {
  mkdirSync(folder, { recursive: true });
  const digest = createHash("sha256").update(SOURCE).digest("hex").slice(0, 16);
  const path = join(folder, `pause-${digest}.so`);
  if (existsSync(path)) return path;
  const draft = join(folder, `pause-${digest}-${process.pid}-${performance.now()}`);
  writeFileSync(`${draft}.c`, SOURCE);
  const flags = ["-shared", "-fPIC", "-O2", "-nostdlib", "-fno-stack-protector", "-Wl,-z,now"];
  const argv = ["cc", ...flags, "-o", `${draft}.so`, `${draft}.c`];
  const result = await runCommand(argv, { env, timeoutMs: COMPILE_MS });
  if (result.code !== 0) {
    return problem("cannot-start", {
      detail: `the object that holds a program could not be compiled: ${failureText(result)}`,
      next: "install gcc and libc6-dev, and verify again",
    });
  }
  // Others may do the same at this moment: whoever comes last wins, with the same content.
  renameSync(`${draft}.so`, path);
  return path;
}

const COMPILE_MS = 60_000;
