/** Objects that the compiler makes for the linker's tests, linked for one place in a process. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { parseElf } from "../elf/file.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { planLayout } from "./layout.ts";
import { type LinkedImage, linkObject, type ResolvedSymbol } from "./relocate.ts";

/** Where `link` puts the image. */
export const BASE = 0x5555_0000_0000;
/** Within reach of a 32-bit displacement from there, and out of it. */
export const NEAR = 0x5555_1000_0000;
export const FAR = 0x7fff_1234_5678;

/** What the process defines, by name. */
export type Known = Record<string, number | (ResolvedSymbol & { kind: "tls" })>;

export interface ObjectFolder {
  /** A path without extension that nothing else has. */
  readonly newPath: () => string;
  /** The object of a source in C, or in assembler where it begins with `asm:`. */
  readonly compile: (source: string, flags?: readonly string[]) => Uint8Array;
}

/** A folder for the objects of one test file, which is removed after its tests. */
export function openObjectFolder(): ObjectFolder {
  const folder = mkdtempSync(join(tmpdir(), "suture-link-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  let count = 0;
  const newPath = (): string => join(folder, `${count++}`);
  return {
    newPath,
    compile(source, flags = ["-O2", "-fPIE"]) {
      const path = newPath();
      const extension = source.includes("asm:") ? "s" : "c";
      writeFileSync(`${path}.${extension}`, source.replace("asm:", ""));
      execFileSync("gcc", [...flags, "-c", `${path}.${extension}`, "-o", `${path}.o`]);
      return readFileSync(`${path}.o`);
    },
  };
}

/** Links an object against what is known; `replaced` has the entries of the functions it replaces. */
export function link(
  bytes: Uint8Array,
  known: Known = {},
  replaced: Record<string, number> = {},
): LinkedImage | Refusal {
  const object = parseElf(bytes);
  const layout = planLayout(object);
  if (isRefusal(layout)) return layout;
  const originals = new Map<string, VirtualAddr>(
    Object.entries(replaced).map(([name, at]) => [name, virtualAddr(at)]),
  );
  const resolve = (name: string): ResolvedSymbol | Refusal => {
    const value = known[name];
    if (value === undefined) return refuse("missing-symbol", name, "");
    return typeof value === "object" ? value : { kind: "address", address: virtualAddr(value) };
  };
  return linkObject(object, layout, virtualAddr(BASE), resolve, originals);
}
