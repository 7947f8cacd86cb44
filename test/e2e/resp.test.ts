import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { ErrorReply, encodeCommand, parseReply, type Reply } from "./resp.ts";

function check(input: string, expected: Reply): void {
  const bytes = Buffer.from(input, "latin1");
  expect(parseReply(bytes, 0)).toEqual({ reply: expected, end: bytes.length });
  for (let size = 0; size < bytes.length; size++)
    expect(parseReply(bytes.subarray(0, size), 0), `first ${size} bytes`).toBeUndefined();
}

test("reads each kind of reply, and waits for its last byte", () => {
  check("+OK\r\n", "OK");
  check("-ERR no\r\n", new ErrorReply("ERR no"));
  check(":-12\r\n", -12);
  check("$0\r\n\r\n", "");
  check("$4\r\na\r\nb\r\n", "a\r\nb");
  check("$-1\r\n", null);
  check("*-1\r\n", null);
  check("*3\r\n:1\r\n$1\r\n\xff\r\n*1\r\n+x\r\n", [1, "\xff", ["x"]]);
});

test("refuses what is no reply", () => {
  for (const input of ["x\r\n", ":1x\r\n", "$1\r\nabc\r\n", "$-2\r\n", "*99999999\r\n"])
    expect(() => parseReply(Buffer.from(input), 0), input).toThrow();
});

test("writes a command as an array of bulk strings", () => {
  expect(encodeCommand(["SET", "k", Uint8Array.of(0, 255)]).toString("latin1")).toBe(
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\0\xff\r\n",
  );
});
