/**
 * The path that a distribution built a package at, where its programs show it.
 *
 * Most programs do not depend on it: dpkg has the compiler map it away. But some print the options
 * that they were configured with, this map among them, as `nginx -V` does:
 *
 *     --with-cc-opt='-g -O2 -ffile-prefix-map=/build/reproducible-path/nginx-1.22.1=. ...
 *
 * and others have absolute names of sources in their assertions. Built anywhere else they are
 * other programs, with other addresses of what stands behind the string.
 */
import { readFile } from "node:fs/promises";

/** Folders of the root itself, which a tree cannot be put over. */
const ofTheRoot = /^\/(?:bin|boot|dev|etc|lib\w*|proc|root|run|sbin|srv|sys|tmp|usr|var)(?:\/|$)/;

/** The path in the first of some files that shows one; undefined where none does. */
export async function findBuildPath(
  files: readonly { readonly absolute: string }[],
  source: { readonly name: string; readonly version: string },
): Promise<string | undefined> {
  for (const { absolute } of files) {
    const found = buildPathIn(await readFile(absolute), source);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The path in the bytes of one program: what is mapped to `.`, or else an absolute path of a
 * folder with the name that dpkg-source gives an unpacked source, `NAME-UPSTREAM_VERSION`.
 */
export function buildPathIn(
  bytes: Uint8Array,
  { name, version }: { readonly name: string; readonly version: string },
): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const upstream = version.replace(/^\d+:/, "").replace(/-[^-]*$/, "");
  const folder = `${name}-${upstream}`.replace(/[.+~]/g, "\\$&");
  const candidates = [
    /-f(?:file|debug|macro)-prefix-map=(\/[\w.+~/-]+)=\./g,
    new RegExp(`(?<![\\w.+~-])((?:/[\\w.+~-]+)+/${folder})(?=[/\\0])`, "g"),
  ].flatMap((pattern) => [...text.matchAll(pattern)].map(([, path = ""]) => path));
  return candidates.find((path) => isUsable(path));
}

const isUsable = (path: string): boolean =>
  path.split("/").length > 2 && !ofTheRoot.test(path) && !path.split("/").includes("..");
