import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { RELEASE_PROBLEMS } from "./errors.ts";

test("docs/release-channel.md has the reasons of the table, with meaning and next step", () => {
  const path = fileURLToPath(new URL("../../../docs/release-channel.md", import.meta.url));
  const rows = readFileSync(path, "utf8").matchAll(/^\| `([a-z-]+)` \| (.*?) \| (.*?) \|$/gm);
  const documented = [...rows].map(([, code, meaning, next]) => ({ code, meaning, next }));
  const reasons = documented.filter(({ code }) => (code ?? "") in RELEASE_PROBLEMS);
  const expected = Object.entries(RELEASE_PROBLEMS).map(([code, { meaning, next }]) => ({
    ...{ code, meaning, next },
  }));
  expect(reasons).toEqual(expected);
});
