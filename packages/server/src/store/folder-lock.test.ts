import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockFolder } from "./folder-lock.ts";

test("a folder is one server's until it gives it back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "suture-lock-"));
  try {
    const first = await lockFolder(folder);
    await expect(lockFolder(join(folder, "."))).rejects.toThrow("another server uses");
    first.release();
    const again = await lockFolder(folder);
    again.release();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
