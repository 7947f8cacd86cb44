import { describe, expect, test } from "vitest";
import { FormatError } from "../bytes/format-error.ts";
import { evaluate, parseExpression } from "./expression.ts";

const registers = Float64Array.from({ length: 17 }, (_, index) => 1000 * index);
const memory = (address: number): number => (address === 7008 ? 42 : Number.NaN);

function check(expression: readonly number[], expected: number, initial = Number.NaN): void {
  const operations = parseExpression(Uint8Array.from(expression));
  expect(evaluate(operations, registers, memory, initial)).toBe(expected);
}

const PLT = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];

describe("expressions of frame information", () => {
  test.each([
    ["a literal", [0x4f], 31],
    ["constants", [0x0b, 0xff, 0xff, 0x0a, 1, 2, 0x22], 0x0201 - 1],
    ["LEB128 constants", [0x10, 0x80, 1, 0x11, 0x7f, 0x22], 127],
    ["a register with an offset", [0x77, 0x78], 7000 - 8],
    ["a register by number", [0x92, 16, 4], 16_004],
    ["memory", [0x77, 8, 0x06], 42],
    ["stack operations: dup, over, swap, rot, pick, drop", [0x31, 0x32, 0x14, 0x17, 0x16, 0x1c], 1],
    ["a mask that makes negative", [0x77, 4, 0x09, 0xf0, 0x1a], 6992],
    [
      "or and xor beyond 32 bits",
      [0x0e, 0, 0, 0, 0, 1, 0, 0, 0, 0x31, 0x21, 0x33, 0x27],
      2 ** 32 + 2,
    ],
    ["not, neg, abs", [0x35, 0x20, 0x1f, 0x1f, 0x19], 6],
    ["division and remainder", [0x4f, 0x37, 0x1b, 0x4f, 0x37, 0x1d, 0x1e], 12],
    ["shifts", [0x31, 0x08, 40, 0x24, 0x08, 38, 0x25], 4],
    ["an arithmetic shift", [0x09, 0xf8, 0x31, 0x26], -4],
    ["comparisons", [0x31, 0x32, 0x2d, 0x31, 0x32, 0x2b, 0x33, 0x24, 0x22], 1],
    ["a branch taken", [0x31, 0x28, 1, 0, 0x35, 0x36], 6],
    ["a branch not taken", [0x30, 0x28, 1, 0, 0x35, 0x96], 5],
    ["an endless loop", [0x2f, 0xfd, 0xff], Number.NaN],
    ["an empty stack", [0x22], Number.NaN],
    ["an overfull stack", [0x31, 0x12, 0x2f, 0xfc, 0xff], Number.NaN],
    ["unreadable memory", [0x30, 0x06], Number.NaN],
    ["a product beyond 2^53", [0x0e, 0, 0, 0, 0, 0, 0, 1, 0, 0x12, 0x1e], Number.NaN],
    ["division by zero", [0x31, 0x30, 0x1b], Number.NaN],
  ])("%s", (_, expression, expected) => {
    check(expression, expected);
  });

  test("the CFA of a PLT entry depends on the instruction", () => {
    // Up to `jmp *GOT` and `push n` only the return address is on the stack, then one word more.
    for (const [offset, pushed] of [
      [0, 8],
      [6, 8],
      [11, 16],
    ] as const) {
      registers[16] = 0x1020 + offset;
      check(PLT, 7000 + pushed);
    }
    registers[16] = 16_000;
  });

  test("the initial value is on the stack", () => check([0x23, 8], 508, 500));

  test.each([
    ["DW_OP_addr", [0x03, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["a call", [0x98, 0, 0]],
    ["a register that is not followed", [0x92, 17, 0]],
    ["an operand that is cut short", [0x0a, 1]],
    ["a branch into an operand", [0x2f, 1, 0, 0x08, 0x96]],
    ["a branch out of the expression", [0x2f, 1, 0]],
  ])("refuses %s", (_, expression) => {
    expect(() => parseExpression(Uint8Array.from(expression))).toThrow(FormatError);
  });

  test("a long expression is parsed in linear time", () => {
    const branches = new Uint8Array(3 * 100_000);
    for (let at = 0; at < branches.length; at += 3) branches[at] = 0x28;
    expect(parseExpression(branches)).toHaveLength(100_000);
  });
});
