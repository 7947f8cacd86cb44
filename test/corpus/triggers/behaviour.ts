/**
 * Does a hotpatch take the fault away? A trigger shows the fault in a live process: it must show it
 * before the hotpatch is applied, not while it is applied, and again after it was reverted.
 */
import { readFile } from "node:fs/promises";
import { type Engine, isRefusal, parseHotpatch } from "../../../packages/builder/src/engine.ts";

/** What a trigger saw: a fault, none, or that it could not look. */
export interface Answer {
  readonly word: "right" | "wrong" | "unable";
  readonly detail: string;
}

/** A live process with the faulty program or library, and the way to ask it. */
export interface Subject {
  readonly pid: number;
  /** Runs the trigger once; throws an Error where the process is gone. */
  readonly ask: () => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

export interface Behaviour {
  readonly behaviour: "proven" | "not-proven";
  /** What the fault looks like; where it is not proven, why not. */
  readonly behaviourDetail: string;
}

/** Asks, applies, asks, reverts and asks once more. Never throws for what the process does. */
export async function proveBehaviour(
  start: () => Promise<Subject>,
  { hotpatch: file, engine }: { readonly hotpatch: string; readonly engine: Engine },
): Promise<Behaviour> {
  let subject: Subject | undefined;
  try {
    const hotpatch = parseHotpatch(await readFile(file));
    if (isRefusal(hotpatch)) return notProven(hotpatch.detail);
    subject = await start();
    const before = await subject.ask();
    if (before.word !== "wrong") return notProven(`before the hotpatch: ${inWords(before)}`);
    const applied = engine.apply([subject.pid], hotpatch);
    if (isRefusal(applied)) return notProven(`${applied.refused}: ${applied.detail}`);
    const during = await subject.ask();
    if (during.word !== "right") return notProven(`with the hotpatch: ${inWords(during)}`);
    const reverted = engine.revert([subject.pid], hotpatch.description.id);
    if (isRefusal(reverted)) return notProven(`${reverted.refused}: ${reverted.detail}`);
    const after = await subject.ask();
    if (after.word !== "wrong") return notProven(`after the revert: ${inWords(after)}`);
    return { behaviour: "proven", behaviourDetail: `${before.detail} -> ${during.detail}` };
  } catch (error) {
    return notProven(error instanceof Error ? error.message : String(error));
  } finally {
    await subject?.stop();
  }
}

const inWords = ({ word, detail }: Answer): string => `${word}, ${detail}`;

const notProven = (behaviourDetail: string): Behaviour => ({
  behaviour: "not-proven",
  behaviourDetail,
});
