/**
 * Hotpatches of earlier starts: a build from a package takes minutes the first time and half a
 * minute later, and a second start is to take seconds.
 *
 * A kept file counts as long as nothing that it came from differs: the arguments, the patches that
 * they name, and the sources of what builds.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface KeptHotpatch {
  readonly bytes: Uint8Array;
  /** What the command said of it. */
  readonly answer: Readonly<Record<string, unknown>>;
}

export interface HotpatchKeeper {
  readonly find: (words: readonly string[]) => KeptHotpatch | undefined;
  readonly keep: (words: readonly string[], hotpatch: KeptHotpatch) => void;
}

const PACKAGES = fileURLToPath(new URL("../../packages", import.meta.url));
/** What a hotpatch comes from, besides sources and fix. */
const BUILDERS = ["builder", "engine", "release"];

/** Below the cache folder that the builds use. */
export function openHotpatchKeeper(cacheHome: string | undefined): HotpatchKeeper {
  const folder = join(cacheHome || join(homedir(), ".cache"), "suture", "demonstration");
  const program = digestOfSources();
  const pathOf = (words: readonly string[], ending: string): string => {
    const hash = createHash("sha256").update(program).update(JSON.stringify(words));
    for (const word of words) {
      if (word.endsWith(".patch") && existsSync(word)) hash.update(readFileSync(word));
    }
    return join(folder, `${hash.digest("hex").slice(0, 24)}.${ending}`);
  };
  return {
    find(words) {
      const [file, report] = [pathOf(words, "hotpatch"), pathOf(words, "json")];
      if (!existsSync(file) || !existsSync(report)) return undefined;
      const answer = JSON.parse(readFileSync(report, "utf8")) as KeptHotpatch["answer"];
      return { bytes: readFileSync(file), answer };
    },
    keep(words, { bytes, answer }) {
      mkdirSync(folder, { recursive: true });
      const write = (ending: string, content: Uint8Array | string): void => {
        const file = pathOf(words, ending);
        writeFileSync(`${file}.new`, content);
        renameSync(`${file}.new`, file);
      };
      // The report last: without it the file does not count.
      write("hotpatch", bytes);
      write("json", JSON.stringify(answer));
    },
  };
}

function digestOfSources(): Uint8Array {
  const hash = createHash("sha256").update(process.version);
  for (const name of BUILDERS) {
    const folder = join(PACKAGES, name, "src");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const file of files.filter((path) => path.endsWith(".ts")).sort()) {
      if (!file.endsWith(".test.ts")) hash.update(file).update(readFileSync(join(folder, file)));
    }
  }
  return hash.digest();
}
