/** The package's own test, run while the hotpatch is applied. */
import { start, within } from "./live-process.ts";
import { problem, type VerifyProblem } from "./problems.ts";

/** What the command finds in its environment. docs/operations.md lists it. */
export interface TestFacts {
  readonly SUTURE_PID: string;
  readonly SUTURE_BINARY: string;
  readonly SUTURE_HOTPATCH_ID: string;
}

/** Runs the command where we were started; it has to end with exit code 0. */
export async function runTest(
  command: string,
  facts: TestFacts,
  options: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly timeoutMs: number;
  },
): Promise<VerifyProblem | undefined> {
  const { env, timeoutMs } = options;
  const started = start(["sh", "-c", command], {
    cwd: process.cwd(),
    env: { ...env, ...facts },
    group: true,
  });
  started.child.stdin?.end();
  await within(timeoutMs, started.ended);
  const ending = started.ending() ?? `it had not ended after ${timeoutMs / 1000} s`;
  await started.kill();
  if (ending === "exit code 0") return undefined;
  const said = started.said();
  return problem("test-failed", {
    detail: `${command}: ${ending}${said && `: ${said}`}`,
    next: "run the test with the unpatched program, too: if it fails there, mend the test",
  });
}
