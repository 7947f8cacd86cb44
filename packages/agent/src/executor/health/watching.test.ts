/** What is looked at besides the numbers: logs, the kernel's log, probes, ends of processes. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type CommandOutcome, runCommand } from "../../inventory/command-runner.ts";
import type { WatchedProcess } from "../record.ts";
import { createEndings } from "./endings.ts";
import { parseFault } from "./kernel-log.ts";
import { endOfLog, lookAtLog } from "./log-follower.ts";
import { accountOf, runProbe } from "./probe.ts";

const folder = mkdtempSync(join(tmpdir(), "suture-watching-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("logs", () => {
  const file = join(folder, "log");
  test("what was there before is not looked at, what comes is, once", () => {
    writeFileSync(file, "old panic\n");
    const begin = endOfLog(file);
    expect(lookAtLog(begin, "panic").match).toBeUndefined();
    appendFileSync(file, "fine\nnew panic here\n");
    const found = lookAtLog(begin, "^new p.nic");
    expect(found.match).toBe("new panic here");
    expect(lookAtLog(found.place, "panic").match).toBeUndefined();
  });

  test("a log that was rotated or cut is new from its beginning", () => {
    writeFileSync(file, "one\ntwo\nthree\n");
    const place = endOfLog(file);
    renameSync(file, `${file}.1`);
    expect(lookAtLog(place, "panic")).toEqual({ place });
    writeFileSync(file, "panic\n");
    expect(lookAtLog(place, "panic").match).toBe("panic");
    const after = endOfLog(file);
    writeFileSync(file, "oh\n");
    expect(lookAtLog(after, "oh").match).toBe("oh");
  });

  test("of a flood the end is looked at, and what is no file is not opened for ever", () => {
    writeFileSync(file, "");
    const place = endOfLog(file);
    appendFileSync(file, `panic\n${"x".repeat(300_000)}\nlast panic\n`);
    expect(lookAtLog(place, "panic").match).toBe("last panic");
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(lookAtLog(endOfLog(pipe), "panic").match).toBeUndefined();
    expect(lookAtLog(endOfLog("/dev/zero"), "panic").match).toBeUndefined();
  });

  test("a pattern that would run for ever is ended, and a wrong one is told", () => {
    writeFileSync(file, "");
    const place = endOfLog(file);
    appendFileSync(file, `${"a".repeat(40)}!\n`);
    const begin = performance.now();
    expect(lookAtLog(place, "^(a+)+$").problem).toContain("timed out");
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(lookAtLog(place, "(").problem).toContain("Invalid regular expression");
  });
});

test.each([
  ["6,339,51,-;answers[123]: segfault at 0 ip 0 sp 0 error 4 in answers", 123],
  ["6,1,2,-;traps: my app[77] general protection fault ip:1 sp:2 error:0", 77],
  ["4,1,2,-;traps: x[5] trap invalid opcode ip:1 sp:2 error:0 in x", 5],
  ["6,1,2,-;usb 1-1: new device", undefined],
  ["6,1,2,-;x[12] says hello", undefined],
])("the fault in %j is of %s", (record, pid) => expect(parseFault(record)?.pid).toBe(pid));

describe("probes", () => {
  const limits = { everySeconds: 1, timeoutSeconds: 1 };
  test.each([
    [["/bin/true"], undefined],
    [["/bin/sh", "-c", "echo broken; exit 3"], "/bin/sh ended with 3: broken"],
    [["/bin/sh", "-c", "kill -9 $$"], "/bin/sh was ended by SIGKILL"],
    [["/bin/sleep", "20"], "/bin/sleep did not end in time"],
    [["/no/such/program"], "/no/such/program did not start: spawn /no/such/program ENOENT"],
  ])("%j: %s", async (command, expected) => {
    expect(await runProbe(runCommand, { command, ...limits })).toBe(expected);
  });

  test("they run as nobody, unless the policy names a user", async () => {
    const command = ["/bin/sh", "-c", "id -un; exit 1"];
    expect(await runProbe(runCommand, { command, ...limits })).toContain("nobody");
    const daemon = await runProbe(runCommand, { command, user: "daemon", ...limits });
    expect(daemon).toContain("daemon");
    const stranger = await runProbe(runCommand, { command, user: "stranger", ...limits });
    expect(stranger).toBe("there is no user stranger to run the probe as");
  });

  test("users are those of passwd", () => {
    const passwd = "root:x:0:0::/:\nodd:x:x:1\nsuture:x:997:996::/:/bin/false\n";
    expect(accountOf("suture", passwd)).toEqual({ uid: 997, gid: 996 });
    expect(accountOf("odd", passwd)).toBeUndefined();
  });
});

describe("the end of a process", () => {
  const lead: WatchedProcess = {
    ...{ pid: 7, started: 1, image: "", isLead: true, residentBytes: 0, processorShare: 0 },
  };
  interface Case {
    readonly gone?: Partial<WatchedProcess>;
    readonly fault?: string;
    readonly systemd?: Partial<CommandOutcome>;
    readonly next?: number;
  }
  /** The signal at once, and 6 seconds later. */
  async function judged({ gone = {}, fault, systemd = {}, next }: Case) {
    let time = 0;
    const endings = createEndings({
      clock: () => time,
      kernelLog: { faultOf: () => fault, close: () => {} },
      run: () => Promise.resolve({ timedOut: false, output: "", ...systemd }),
    });
    const successor = () => (next === undefined ? undefined : ({ pid: next } as never));
    const look = () => endings.judge({ ...lead, ...gone }, successor)?.signal;
    const first = look();
    await new Promise((resolve) => setImmediate(resolve));
    time = 6000;
    return [first, look()];
  }
  const unit = { gone: { unit: "redis.service" } };
  const shows = (ActiveState: string, Result: string, NRestarts: number) => ({
    systemd: {
      status: 0,
      output: Object.entries({ ActiveState, Result, NRestarts })
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    },
  });
  test.each<[string, Case, unknown[]]>([
    ["a fault", { fault: "answers[7]: segfault" }, ["crash", undefined]],
    ["a fault of a child", { fault: "x", gone: { isLead: false } }, ["crash", undefined]],
    ["a child that ends", { gone: { isLead: false } }, [undefined, undefined]],
    ["another in its place", { next: 9 }, ["restart", undefined]],
    ["nobody in its place", {}, [undefined, "crash"]],
    [
      "systemd was told to stop it",
      { ...unit, ...shows("inactive", "success", 0) },
      [undefined, undefined],
    ],
    [
      "systemd was told to restart it",
      { ...unit, ...shows("active", "success", 0), next: 9 },
      [undefined, undefined],
    ],
    [
      "systemd started it again",
      { ...unit, ...shows("active", "success", 1), next: 9 },
      [undefined, "restart"],
    ],
    [
      "systemd calls it failed",
      { ...unit, ...shows("failed", "core-dump", 0) },
      [undefined, "crash"],
    ],
    ["systemd does not answer", { ...unit, next: 9 }, [undefined, "restart"]],
  ])("%s", async (_, given, expected) => expect(await judged(given)).toEqual(expected));
});
