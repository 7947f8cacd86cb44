/**
 * `npm start`: the whole product on this machine, and it stays up until Ctrl-C.
 *
 *     npm start                     the fleet's story, then a console to look around in
 *     npm start -- --once           ends after the proof; exit code 0 only if all of it was true
 *     npm start -- --engine-only    one process patched by hand; --keep leaves it running
 *     npm start -- --rebuilt        uses the newest redis without its last patches, as where the
 *                                   archive has one version only
 *     npm start -- --victim         uses the small server of our own instead of redis
 *
 * fleet-story.ts and engine-story.ts tell the stories. Everything they make lies in one temporary
 * folder and in processes of their own; both are gone when this program ends.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { playEngineStory } from "./engine-story.ts";
import { playFleetStory } from "./fleet-story.ts";
import { createJournal } from "./journal.ts";
import type { Play, Undo } from "./play.ts";

const { values } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    "engine-only": { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    rebuilt: { type: "boolean", default: false },
    victim: { type: "boolean", default: false },
  },
});
const undo: Undo[] = [];
const witnesses: (() => string)[] = [];
const abort = new AbortController();
const undoAll = (): void => {
  for (const one of undo.splice(0).reverse()) {
    try {
      one();
    } catch (error) {
      // The others are undone all the same.
      console.error(`left behind: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  }
};
// A terminal and npm both hand on Ctrl-C, and people press it twice: the second is one too many.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => {
    if (abort.signal.aborted) return;
    abort.abort();
    undoAll();
    process.exit(130);
  });

function openPlay(): Play {
  const journal = createJournal();
  const folder = mkdtempSync(join(tmpdir(), "suture-job-"));
  // A process that was just killed may still write: the folder is tried again.
  undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const { rebuilt, victim } = values;
  const stage = { folder, say: journal.say };
  return { stage, journal, undo, witnesses, signal: abort.signal, rebuilt, victim };
}

async function main(): Promise<boolean> {
  const play = openPlay();
  if (values["engine-only"]) return await playEngineStory(play, values);
  if (process.geteuid?.() !== 0) {
    play.journal.say("the agent's executor runs as root, and you do not: the engine's part only");
    play.journal.say("the whole story: sudo npm start");
    return await playEngineStory(play, values);
  }
  return await playFleetStory(play, {
    once: values.once,
    cacheHome: process.env.XDG_CACHE_HOME,
  });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(`\nfailed: ${error instanceof Error ? error.message : error}`);
  for (const tell of witnesses) console.error(tell());
  process.exitCode = 1;
} finally {
  undoAll();
}
