import { expect, test } from "vitest";
import { done, failed, line, table } from "./outcome.ts";
import { createOutput } from "./output.ts";

function show(
  outcome: Parameters<ReturnType<typeof createOutput>["show"]>[0],
  options: { json?: boolean; terminal?: boolean; mayColour?: boolean } = {},
) {
  const written = { out: "", err: "" };
  const stream = (name: "out" | "err") => ({
    write: (text: string) => {
      written[name] += text;
    },
    isTTY: options.terminal ?? false,
    columns: 24,
  });
  const output = createOutput({
    stdout: stream("out"),
    stderr: stream("err"),
    json: options.json ?? false,
    mayColour: options.mayColour ?? true,
  });
  return { code: output.show(outcome), ...written };
}

const PROBLEM = { reason: "not-permitted", detail: "process 7", next: "become root" };
const TABLE = table([{ title: "A", cutTo: 8 }], [["twenty-six characters here"]]);

test("results go to standard output, problems with their next step to standard error", () => {
  expect(show(done({}, line("well")))).toEqual({ code: 0, out: "well\n", err: "" });
  expect(show(failed("refused", PROBLEM))).toEqual({
    code: 3,
    out: "",
    err: "suture: not-permitted: process 7\nnext: become root\n",
  });
});

test("with --json there is one document on standard output, for errors too", () => {
  const { out, err } = show(failed("nothing", PROBLEM, { processes: [] }), { json: true });
  expect(JSON.parse(out)).toEqual({ ok: false, processes: [], error: PROBLEM });
  expect(err).toBe("");
});

test("fits a terminal's width and leaves files and pipes uncut", () => {
  expect(show(done({}, TABLE), { terminal: true, mayColour: false }).out).toBe(
    "A\ntwenty-six characters h…\n",
  );
  expect(show(done({}, TABLE)).out).toBe("A\ntwenty-six characters here\n");
});

test("uses colour on a terminal only, and not where it is refused", () => {
  expect(show(failed("failed", PROBLEM), { terminal: true }).err).toContain("\x1b[31m");
  expect(show(failed("failed", PROBLEM), { terminal: true, mayColour: false }).err).not.toContain(
    "\x1b",
  );
  expect(show(failed("failed", PROBLEM)).err).not.toContain("\x1b");
});

test("lets no name of a process steer the terminal", () => {
  expect(show(done({}, line("a\x1b]0;b\x07\u009bc"))).out).toBe("a?]0;b??c\n");
  expect(show(failed("failed", { ...PROBLEM, detail: "a\x1b[2J" })).err).not.toContain("\x1b");
});
