import { expect, test } from "vitest";
import { createFailureLimit } from "./rate-limit.ts";

test("after too many failures an address waits until the window is over", () => {
  let now = 0;
  const limit = createFailureLimit(() => now, 3);
  for (let count = 0; count < 3; count += 1) {
    expect(limit.waitSeconds("a")).toBeUndefined();
    limit.failed("a");
  }
  expect(limit.waitSeconds("a")).toBe(300);
  expect(limit.waitSeconds("b")).toBeUndefined();
  now = 299_000;
  expect(limit.waitSeconds("a")).toBe(1);
  now = 300_000;
  expect(limit.waitSeconds("a")).toBeUndefined();
});

test("a success forgets the failures before it", () => {
  const limit = createFailureLimit(() => 0, 2);
  limit.failed("a");
  limit.succeeded("a");
  limit.failed("a");
  expect(limit.waitSeconds("a")).toBeUndefined();
});

test("remembers a limited number of addresses", () => {
  const limit = createFailureLimit(() => 0, 1);
  limit.failed("first");
  for (let count = 0; count < 10_000; count += 1) limit.failed(`address ${count}`);
  expect(limit.waitSeconds("first")).toBeUndefined();
  expect(limit.waitSeconds("address 9999")).toBe(300);
});
