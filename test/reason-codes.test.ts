import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { BUILD_REFUSALS } from "../packages/builder/src/refusals.ts";
import { EXIT_CODES } from "../packages/cli/src/exit-codes.ts";
import { DIFF_REFUSALS } from "../packages/engine/src/diff/refusal.ts";
import { REFUSALS } from "../packages/engine/src/refusals.ts";

const document = (name: string): string =>
  fileURLToPath(new URL(`../docs/${name}`, import.meta.url));

const rows = (reasons: Readonly<Record<string, string>>): string =>
  Object.entries(reasons)
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
    .join("\n");

const HEAD = "| reason | meaning |\n|---|---|";

/** The document is made from the tables in the code: `npm test -- -u` writes it anew. */
test("docs/reason-codes.md lists every reason of the code's tables", async () => {
  const text = `# Reason codes

Every reason for which suture refuses something. A refusal is safe: nothing was changed. The codes are stable; the sentences that come with them are for people. This page is made from the tables in the code by \`npm test -- -u\`.

## Processes and hotpatch files

What \`inspect\`, \`check\`, \`apply\`, \`status\` and \`revert\` say.

${HEAD}
${rows(REFUSALS)}

## Builds

What \`build\` says about the whole.

${HEAD}
${rows(BUILD_REFUSALS)}

## Changes that cannot go into a running process

What \`build\` says about one function or variable, as an item of \`not-patchable\`. Restart with the traditional update instead.

${HEAD}
${rows(DIFF_REFUSALS)}
`;
  await expect(text).toMatchFileSnapshot(document("reason-codes.md"));
});

test("docs/operations.md has the exit codes of the code", () => {
  const text = readFileSync(document("operations.md"), "utf8");
  for (const { code, meaning } of Object.values(EXIT_CODES))
    expect(text).toContain(`| ${code} | ${meaning} |`);
});

test("docs/operations.md explains no reason that does not exist", () => {
  const text = readFileSync(document("operations.md"), "utf8");
  const [, section = ""] = /## When it says no\n([\s\S]*?)\n## /.exec(text) ?? [];
  const named = [...section.matchAll(/^- (.+?):/gm)].flatMap(([, codes = ""]) =>
    [...codes.matchAll(/`([a-z-]+)`/g)].map(([, code = ""]) => code),
  );
  expect(named.length).toBeGreaterThan(3);
  for (const code of named) expect(Object.keys(REFUSALS)).toContain(code);
});
