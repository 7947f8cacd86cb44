/** For tests of the release commands: real keys and folders, a clock that stands, no engine. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hotpatch } from "@suture/engine";
import * as release from "@suture/release";
import type { Context } from "../command.ts";
import type { BuilderParts } from "../parts.ts";

export interface ReleaseWorld {
  readonly now: () => Date;
  readonly askSecret: () => Promise<string>;
  /** None, unless given. */
  readonly builder?: BuilderParts;
}

/** What the commands are given. A hotpatch file of these tests is its manifest. */
export const releaseContext = ({ now, askSecret, builder }: ReleaseWorld): Context => ({
  engine: async () => ({
    engine: {} as never,
    isRefusal: (_value): _value is never => false,
    parseHotpatch: (bytes) => ({ bytes }) as unknown as Hotpatch,
    sectionNamed: ({ bytes }) => (bytes.length > 2 ? bytes : undefined),
  }),
  builder: async () => {
    if (builder === undefined) throw new Error("no builder here");
    return builder;
  },
  agent: () => Promise.reject(new Error("no agent here")),
  endSignal: () => new AbortController().signal,
  release: async () => ({
    ...release,
    // Cheap keys: what a guess costs is not what these tests are about.
    createKeyFile: (request) => release.createKeyFile({ ...request, cost: 1024 }),
    now,
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    userId: process.getuid?.() ?? 0,
    askSecret,
    readDescriptor: (descriptor) => readFileSync(descriptor),
    fetch: globalThis.fetch,
  }),
  readFile: (path) => readFileSync(path),
  writeFile: (path, bytes) => writeFileSync(path, bytes),
  progress: () => undefined,
  version: "1.2.3",
  env: {},
  cacheFolder: "/nowhere",
});

/** Every file below a folder with its content. */
export async function filesOf(folder: string): Promise<(readonly [string, string])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return await Promise.all(paths.map(async (path) => [path, await readFile(path, "hex")] as const));
}
