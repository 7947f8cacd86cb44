/** What a hotpatch takes of a process's memory, and what it leaves after the revert. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isRefusal, openEngine } from "@suture/engine";
import { openWorkshop, startVictim } from "../test/live/victim.ts";
import { SPINNER } from "./pause.ts";

export interface MemoryReport {
  /** Size of the hotpatch's own mappings. */
  readonly hotpatchKiB: number;
  /** Resident memory of its own mappings. */
  readonly residentKiB: number;
  /** Private pages that the modules' code has more than before. */
  readonly appliedPrivateKiB: number;
  readonly revertedPrivateKiB: number;
  readonly mappingsBefore: number;
  readonly mappingsApplied: number;
  readonly mappingsReverted: number;
}

interface Usage {
  readonly mappings: number;
  readonly ownKiB: number;
  readonly ownResidentKiB: number;
  readonly codePrivateKiB: number;
}

/** Reads /proc/PID/smaps before, with and after a hotpatch. */
export async function measureMemory(): Promise<MemoryReport> {
  const workshop = openWorkshop();
  try {
    const spinner = workshop.compile("spinner", readFileSync(SPINNER, "utf8"), ["-pthread"]);
    const { hotpatch } = workshop.makeHotpatch({
      binary: spinner,
      source: "int value(int x) { return x + 101; }",
      functions: ["value"],
      id: "memory",
    });
    const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
    const victim = await startVictim(spinner, ["4"]);
    const before = readUsage(victim.pid);
    const applied = engine.apply([victim.pid], hotpatch);
    if (isRefusal(applied)) throw new Error(applied.detail);
    const during = readUsage(victim.pid);
    const reverted = engine.revert([victim.pid], "memory");
    if (isRefusal(reverted)) throw new Error(reverted.detail);
    const after = readUsage(victim.pid);
    await victim.kill();
    return {
      hotpatchKiB: during.ownKiB,
      residentKiB: during.ownResidentKiB,
      appliedPrivateKiB: during.codePrivateKiB - before.codePrivateKiB,
      revertedPrivateKiB: after.codePrivateKiB - before.codePrivateKiB,
      mappingsBefore: before.mappings,
      mappingsApplied: during.mappings,
      mappingsReverted: after.mappings,
    };
  } finally {
    workshop.close();
  }
}

function readUsage(pid: number): Usage {
  const usage = { mappings: 0, ownKiB: 0, ownResidentKiB: 0, codePrivateKiB: 0 };
  let own = false;
  let code = false;
  for (const line of readFileSync(`/proc/${pid}/smaps`, "latin1").split("\n")) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) {
      usage.mappings++;
      own = line.includes("/memfd:suture:");
      code = line.includes(" r-xp ");
    }
    const [, field, value] = /^(\w+): +(\d+) kB$/.exec(line) ?? [];
    if (own && field === "Size") usage.ownKiB += Number(value);
    if (own && field === "Rss") usage.ownResidentKiB += Number(value);
    if (!own && code && field === "Anonymous") usage.codePrivateKiB += Number(value);
  }
  return usage;
}
