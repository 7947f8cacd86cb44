/** The repository's text files as the rules of rules.ts see them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface SourceTree {
  readonly files: readonly SourceFile[];
  readonly has: (path: string) => boolean;
}

const SKIPPED_FOLDERS = new Set(["node_modules", ".git", "build", "dist", ".cache"]);
const READ = /\.(tsx?|json|md)$/;

export function treeOf(files: readonly SourceFile[], others: Iterable<string> = []): SourceTree {
  const paths = new Set([...files.map((file) => file.path), ...others]);
  const folders = new Set([...paths].map((path) => posix.dirname(path)));
  return { files, has: (path) => paths.has(path) || folders.has(path) };
}

/** Reads the .ts, .tsx, .json and .md files below a folder; the others count by name only. */
export function readTree(root: string): SourceTree {
  const files: SourceFile[] = [];
  const others: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(entry.name)) walk(path);
      } else if (READ.test(entry.name)) {
        files.push({ path, text: readFileSync(join(root, path), "utf8") });
      } else others.push(path);
    }
  };
  walk("");
  return treeOf(files, others);
}

export const isTypeScript = (file: SourceFile): boolean => /\.tsx?$/.test(file.path);
/** Tests, and what only tests use, which says so in its name. */
export const isTest = ({ path }: Pick<SourceFile, "path">): boolean =>
  /\.test\.tsx?$|\/test-[a-z0-9-]+\.ts$|-fixtures?\.ts$/.test(path);

/** The package a file is part of (`engine`), for files below packages/NAME/src. */
export const packageOf = (path: string): string | undefined =>
  /^packages\/([^/]+)\/src\//.exec(path)?.[1];

/** The engine's folder a file is in; the empty string for the files of src itself. */
export function engineFolderOf(path: string): string | undefined {
  const inside = /^packages\/engine\/src\/(.+)$/.exec(path)?.[1];
  if (inside === undefined) return undefined;
  return inside.includes("/") ? inside.slice(0, inside.indexOf("/")) : "";
}

const IMPORTS = [
  /^\s*(?:import|export)\s[^"';]*?\sfrom\s+"([^"]+)"/gm,
  /^\s*import\s+"([^"]+)"/gm,
  /\bimport\("([^"]+)"\)/g,
];
/** A program that is started by its file's name. */
const STARTED = /new URL\("(\.[^"]+\.ts)",\s*import\.meta\.url\)/g;

/** What a file imports, as written, types too. */
export const importsOf = (file: SourceFile): string[] =>
  IMPORTS.flatMap((pattern) => [...file.text.matchAll(pattern)].map((match) => match[1] ?? ""));

/** The path of a relative specifier, from the repository's root. */
export const resolveFrom = (file: SourceFile, specifier: string): string =>
  posix.join(posix.dirname(file.path), specifier);

/** The paths of the repository's files that a file imports or starts. */
export function edgesOf(file: SourceFile): string[] {
  const started = [...file.text.matchAll(STARTED)].map((match) => match[1] ?? "");
  return [...importsOf(file), ...started].flatMap((specifier) => {
    if (specifier.startsWith(".")) return [resolveFrom(file, specifier)];
    const [, name, entry = "index"] = /^@suture\/([a-z-]+)(?:\/([a-z-]+))?$/.exec(specifier) ?? [];
    return name === undefined ? [] : [`packages/${name}/src/${entry}.ts`];
  });
}
