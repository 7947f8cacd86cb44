import { expect, test } from "vitest";
import { createPasswordCheck, hashPassword, newId } from "./secrets.ts";

const zeros = (length: number) => new Uint8Array(length);
const cheap = { N: 16, r: 1, p: 1 };

test("a password fits its hash, and no other does", async () => {
  const check = createPasswordCheck();
  const kept = await hashPassword("correct horse battery", zeros, cheap);
  expect(await check("correct horse battery", kept)).toBe(true);
  expect(await check("correct horse batterY", kept)).toBe(false);
  expect(await check("anything", "not a hash")).toBe(false);
});

test("the same letters are the same password, however they were typed", async () => {
  const kept = await hashPassword("pässword pässword", zeros, cheap);
  expect(await createPasswordCheck()("pa\u0308ssword pa\u0308ssword", kept)).toBe(true);
});

test("nobody's password takes the time of somebody's and never fits", async () => {
  expect(await createPasswordCheck()("x", undefined)).toBe(false);
});

test("ids are version 4 UUIDs", () => {
  expect(newId(zeros)).toBe("00000000-0000-4000-8000-000000000000");
  expect(newId((length) => new Uint8Array(length).fill(255))).toBe(
    "ffffffff-ffff-4fff-bfff-ffffffffffff",
  );
});
