import { describe, expect, test } from "vitest";
import { createCursor } from "./cursor.ts";
import { FormatError } from "./format-error.ts";
import { createReader } from "./reader.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("reader", () => {
  const eight = bytes(1, 2, 3, 4, 5, 6, 7, 0);
  const reader = createReader(eight, "test");

  test("reads little-endian numbers", () => {
    expect(reader.u8(6)).toBe(7);
    expect(reader.u16(0)).toBe(0x0201);
    expect(reader.u32(4)).toBe(0x0007_0605 + 0x0000_0000);
    expect(reader.u64(0)).toBe(0x0007_0605_0403_0201);
    expect(reader.u64big(0)).toBe(0x0007_0605_0403_0201n);
    expect(createReader(bytes(0xff, 0xff, 0xff, 0xff), "test").i32(0)).toBe(-1);
  });

  test.each([
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0], 2 ** 53 - 1],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -1],
    [[1, 0, 0, 0, 0, 0, 0xe0, 0xff], 1 - 2 ** 53],
  ])("reads i64 %j as %d", (values, expected) => {
    expect(createReader(bytes(...values), "test").i64(0)).toBe(expected);
  });

  test.each([
    ["u64 of 2^53", () => createReader(bytes(0, 0, 0, 0, 0, 0, 0x20, 0), "test").u64(0)],
    ["i64 of -2^53", () => createReader(bytes(0, 0, 0, 0, 0, 0, 0xe0, 0xff), "test").i64(0)],
    ["a read across the end", () => reader.u32(5)],
    ["a negative offset", () => reader.u8(-1)],
    ["an offset that is no number", () => reader.u8(Number.NaN)],
    ["an offset that is no integer", () => reader.u8(0.5)],
    ["a negative size", () => reader.bytes(0, -1)],
    ["an enormous size", () => reader.bytes(1, Number.MAX_SAFE_INTEGER)],
    ["a string without end", () => createReader(bytes(65, 66), "test").cstring(0)],
    ["a string that ends too late", () => reader.cstring(0, 7)],
  ])("refuses %s", (_, read) => {
    expect(read).toThrow(FormatError);
  });

  test("gives views and strings", () => {
    expect(reader.bytes(1, 2).buffer).toBe(eight.buffer);
    expect(createReader(bytes(0, 0xc3, 0xa4, 0), "test").cstring(1)).toBe("ä");
  });

  test("names the input, the offset and what was found", () => {
    expect(() => reader.u32(6)).toThrow("test at offset 6: expected 4 bytes, found an end at 8");
  });
});

describe("cursor", () => {
  test.each([
    // DWARF 5, tables 7.7 and 7.8
    [[2], "uleb", 2],
    [[0x80, 1], "uleb", 128],
    [[0xb9, 0x64], "uleb", 12857],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], "uleb", 2 ** 53 - 1],
    [[0x7e], "sleb", -2],
    [[0xff, 0], "sleb", 127],
    [[0x81, 0x7f], "sleb", -127],
    [[0x80, 0x7f], "sleb", -128],
    [[0x78], "sleb", -8],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "sleb", -1],
  ] as const)("reads %j as %s %d", (values, kind, expected) => {
    const cursor = createCursor(bytes(...values), "test");
    expect(cursor[kind]()).toBe(expected);
    expect(cursor.offset).toBe(values.length);
  });

  test.each([
    ["a LEB128 number without end", [0x80, 0x80], "uleb"],
    ["a LEB128 number of eleven bytes", Array(11).fill(0x80), "uleb"],
    ["a LEB128 number of 2^53", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], "uleb"],
  ] as const)("refuses %s", (_, values, kind) => {
    const cursor = createCursor(bytes(...values), "test");
    expect(() => cursor[kind]()).toThrow(FormatError);
  });

  test("does not read beyond the end that was set", () => {
    const cursor = createCursor(bytes(1, 2, 3, 4), "test");
    cursor.seek(1, 3);
    expect(cursor.u8()).toBe(2);
    expect(() => cursor.u16()).toThrow(FormatError);
    expect(cursor.u8()).toBe(3);
    expect(() => cursor.u8()).toThrow(FormatError);
    expect(() => cursor.seek(0, 5)).toThrow(FormatError);
  });
});
