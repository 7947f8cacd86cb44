/**
 * Hotpatch files that were verified once, in the executor's own folder: processes that start later
 * get the hotpatch also when the network half has nothing to give any more.
 */
import { createHash } from "node:crypto";
import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { type Hotpatch, isRefusal, parseHotpatch } from "@suture/engine";
import type { QualityUpdate } from "@suture/release";
import { AgentError } from "../errors.ts";
import { readIfThere, replaceFile } from "./journal.ts";

export interface HotpatchStore {
  /**
   * The hotpatch of a signed update. Throws AgentError `hotpatch-wrong` where the file is not what
   * its signed description says, and what `download` throws.
   */
  readonly load: (update: QualityUpdate) => Promise<Hotpatch>;
  /** Removes all but these digests. */
  readonly keepOnly: (digests: ReadonlySet<string>) => void;
}

/** `download` gives bytes that fit the update's signed length and digest. */
export function openHotpatchStore(
  folder: string,
  download: (target: string) => Promise<Uint8Array>,
): HotpatchStore {
  const pathOf = (digest: string): string => join(folder, `${digest}.hotpatch`);
  let last: { readonly sha256: string; readonly hotpatch: Hotpatch } | undefined;
  return {
    load: async (update) => {
      if (last?.sha256 === update.sha256) return last.hotpatch;
      let bytes: Uint8Array = readIfThere(pathOf(update.sha256));
      if (sha256Of(bytes) !== update.sha256) {
        bytes = await download(update.target);
        if (sha256Of(bytes) !== update.sha256) {
          throw new AgentError("hotpatch-wrong", update.target, "another digest");
        }
        replaceFile(pathOf(update.sha256), bytes);
      }
      const hotpatch = checkedHotpatch(bytes, update);
      last = { sha256: update.sha256, hotpatch };
      return hotpatch;
    },
    keepOnly: (digests) => {
      last = undefined;
      for (const name of listIfThere(folder)) {
        if (!digests.has(name.replace(/\.hotpatch$/, ""))) unlinkSync(join(folder, name));
      }
    },
  };
}

/** What the file says of itself must be what its product signed: the journal goes by the latter. */
function checkedHotpatch(bytes: Uint8Array, update: QualityUpdate): Hotpatch {
  const hotpatch = parseHotpatch(bytes);
  if (isRefusal(hotpatch)) {
    throw new AgentError("hotpatch-wrong", update.target, hotpatch.detail);
  }
  const { id, sequence, target } = hotpatch.description;
  const signed = `${update.id} ${update.sequence} ${update.components[0]?.buildId}`;
  const found = `${id} ${sequence} ${target.buildId}`;
  if (found !== signed) {
    throw new AgentError("hotpatch-wrong", update.target, `it is ${found}, not ${signed}`);
  }
  return hotpatch;
}

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function listIfThere(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
