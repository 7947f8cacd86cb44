/** What a call of a function costs before, with and after a hotpatch. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isRefusal, openEngine } from "@suture/engine";
import { openWorkshop, startVictim } from "../test/live/victim.ts";
import { SPINNER } from "./pause.ts";
import { withQuietMachine } from "./quiet.ts";

export interface CallReport {
  readonly beforeNs: number;
  readonly appliedNs: number;
  readonly revertedNs: number;
}

/** The best of twenty rounds of a million calls each; the new code does what the old one does. */
export function measureCall(): Promise<CallReport> {
  return withQuietMachine(async () => {
    const workshop = openWorkshop();
    try {
      const spinner = workshop.compile("spinner", readFileSync(SPINNER, "utf8"), ["-pthread"]);
      const { hotpatch } = workshop.makeHotpatch({
        binary: spinner,
        source: `int value(int x) { __asm__ volatile("" ::: "memory"); return x + 1; }`,
        functions: ["value"],
        id: "call",
      });
      const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
      const victim = await startVictim(spinner, ["1"]);
      const measure = async (): Promise<number> => {
        victim.send("c");
        return Number(await victim.nextLine(/^[\d.]+$/));
      };
      const beforeNs = await measure();
      const applied = engine.apply([victim.pid], hotpatch);
      if (isRefusal(applied)) throw new Error(applied.detail);
      const appliedNs = await measure();
      const reverted = engine.revert([victim.pid], "call");
      if (isRefusal(reverted)) throw new Error(reverted.detail);
      const revertedNs = await measure();
      await victim.kill();
      return { beforeNs, appliedNs, revertedNs };
    } finally {
      workshop.close();
    }
  });
}
