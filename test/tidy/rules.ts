/**
 * The rules of STYLE.md that a program can check. Each is a function from the tree to complaints;
 * tidy.test.ts runs them all, and shows for each that it can fail.
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import {
  edgesOf,
  engineFolderOf,
  importsOf,
  isTest,
  isTypeScript,
  packageOf,
  resolveFrom,
  type SourceFile,
  type SourceTree,
} from "./source-tree.ts";

export type Rule = (tree: SourceTree) => string[];

/** Which of our packages a package may import. */
const PACKAGE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  release: [],
  contract: [],
  builder: ["engine", "release"],
  agent: ["engine", "release", "contract"],
  server: ["release", "contract"],
  console: ["contract"],
  cli: ["engine", "release", "contract", "builder", "agent", "server"],
};

/** Which of the engine's folders, or of the files beside them, a folder may import. */
const ENGINE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  elf: ["bytes"],
  dwarf: ["bytes", "elf"],
  unwind: ["bytes", "elf", "dwarf"],
  diff: ["bytes", "elf", "dwarf", "refusals.ts"],
  link: ["bytes", "elf", "refusals.ts"],
  process: ["bytes/address.ts"],
};

/** Folders whose code gets bytes and memory readers as arguments and never asks for them. */
const PURE_FOLDERS: readonly string[] = ["bytes", "elf", "dwarf", "unwind", "diff", "link"];
const PURE_BUILTINS: readonly string[] = [
  "node:assert/strict",
  "node:buffer",
  "node:crypto",
  "node:zlib",
];

const KOFFI_IMPORTER = "packages/engine/src/process/libc.ts";
const FOLDER_NAMES_REFUSED = ["utils", "util", "common", "helpers", "core", "misc"];
const LINES_MAX = 400;
/** Tables and pass lists may be longer. */
const LONG_TABLES: readonly string[] = [
  "packages/engine/src/elf/constants.ts",
  "packages/contract/src/routes.ts",
];

/** Files that are started by people, npm or Node rather than imported. */
const PROGRAMS =
  /^(packages\/[^/]+\/src\/(index|main)|test\/run|test\/e2e\/main-job|test\/corpus\/main|bench\/main)\.tsx?$/;
/** Styles are imported by the console only, where Vite knows them. */
const IMPORTED = /\.(tsx?|css)$/;
const CONFIGURATION = /^(packages\/[^/]+\/)?[a-z]+\.config\.ts$/;

const typescript = (tree: SourceTree): SourceFile[] => tree.files.filter(isTypeScript);

/** Packages import only the packages that stand below them. */
export const packagesImportDownwards: Rule = (tree) =>
  typescript(tree).flatMap((file) => {
    const from = packageOf(file.path);
    if (from === undefined) return [];
    const allowed = PACKAGE_IMPORTS[from];
    if (allowed === undefined) return [`${file.path}: package ${from} is in no direction rule`];
    return edgesOf(file).flatMap((target) => {
      const to = packageOf(target);
      if (to === from || (to !== undefined && allowed.includes(to))) return [];
      // A test may use what the repository has for tests; nothing else leaves the packages.
      if (to === undefined && isTest(file)) return [];
      return [`${file.path}: ${from} may not import ${target}`];
    });
  });

/** The one second entry of a package: who only patches processes does without the decoder. */
const DIFFER = "@suture/engine/differ";

/** Across packages by name, inside a package by relative path. */
export const packagesAreImportedByName: Rule = (tree) =>
  typescript(tree).flatMap((file) =>
    importsOf(file).flatMap((specifier) => {
      const from = packageOf(file.path);
      // What stands outside of the packages tests them, and may look inside.
      if (from === undefined && specifier.startsWith(".")) return [];
      if (specifier.startsWith(".")) {
        const to = packageOf(resolveFrom(file, specifier));
        if (to === undefined || to === from) return [];
        return [`${file.path}: import @suture/${to}, not ${specifier}`];
      }
      if (!specifier.startsWith("@suture/")) return [];
      if (specifier === `@suture/${from}`) return [`${file.path}: imports its own package`];
      const isEntry = specifier === DIFFER || /^@suture\/[a-z-]+$/.test(specifier);
      return isEntry ? [] : [`${file.path}: ${specifier} reaches inside a package`];
    }),
  );

/** Inside the engine: bytes <- elf <- dwarf <- unwind; elf <- diff, link; process alone. */
export const engineFoldersImportDownwards: Rule = (tree) =>
  typescript(tree).flatMap((file) => {
    const folder = engineFolderOf(file.path);
    const allowed = ENGINE_IMPORTS[folder ?? ""];
    if (folder === undefined || allowed === undefined || isTest(file)) return [];
    return edgesOf(file).flatMap((target) => {
      const inside = target.replace("packages/engine/src/", "");
      const fits = [folder, ...allowed].some(
        (place) => inside === place || inside.startsWith(`${place}/`),
      );
      return fits ? [] : [`${file.path}: ${folder} may not import ${inside}`];
    });
  });

/** Pure code does no IO. */
export const pureFoldersDoNoIo: Rule = (tree) =>
  typescript(tree).flatMap((file) => {
    if (isTest(file) || !PURE_FOLDERS.includes(engineFolderOf(file.path) ?? "")) return [];
    return importsOf(file)
      .filter((specifier) => isBuiltin(specifier) && !PURE_BUILTINS.includes(specifier))
      .map((specifier) => `${file.path}: pure code may not import ${specifier}`);
  });

/** One file speaks to the C library. */
export const onlyLibcImportsKoffi: Rule = (tree) =>
  typescript(tree)
    .filter((file) => file.path !== KOFFI_IMPORTER && importsOf(file).includes("koffi"))
    .map((file) => `${file.path}: only ${KOFFI_IMPORTER} imports koffi`);

/** Only main.ts reads the environment and the arguments. */
export const onlyMainReadsTheEnvironment: Rule = (tree) =>
  typescript(tree).flatMap((file) => {
    if (packageOf(file.path) === undefined || isTest(file) || /\/main\.tsx?$/.test(file.path))
      return [];
    // Handing the whole environment on to a child reads nothing of it.
    const match = /\bprocess\.(argv\b|env[.[]\w*)|\}\s*=\s*process\.env/.exec(file.text);
    return match ? [`${file.path}: ${match[0]} belongs in main.ts`] : [];
  });

/** Node runs the sources as they are, and resolves nothing. */
export const relativeImportsNameTheFile: Rule = (tree) =>
  typescript(tree).flatMap((file) =>
    importsOf(file).flatMap((specifier) => {
      if (!specifier.startsWith(".")) return [];
      if (!IMPORTED.test(specifier)) return [`${file.path}: ${specifier} does not end in .ts`];
      if (tree.has(resolveFrom(file, specifier))) return [];
      return [`${file.path}: ${specifier} does not exist`];
    }),
  );

export const indexFilesStandAtPackageRoots: Rule = (tree) =>
  typescript(tree)
    .filter((file) => posix.basename(file.path) === "index.ts")
    .filter((file) => !/^packages\/[^/]+\/src\/index\.ts$/.test(file.path))
    .map((file) => `${file.path}: index.ts stands at a package's root only`);

/** No file reaches itself through its imports, types included. */
export const importsHaveNoCycle: Rule = (tree) => {
  const files = new Map(typescript(tree).map((file) => [file.path, file]));
  const finished = new Set<string>();
  const complaints: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const seen = way.indexOf(path);
    if (seen >= 0) complaints.push(`cycle: ${[...way.slice(seen), path].join(" -> ")}`);
    const file = files.get(path);
    if (seen >= 0 || file === undefined || finished.has(path)) return;
    for (const target of edgesOf(file)) visit(target, [...way, path]);
    finished.add(path);
  };
  for (const path of files.keys()) visit(path, []);
  return complaints;
};

interface PackageJson {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** What is imported is declared: in the package, or for tests and tools at the root. */
export const dependenciesAreDeclared: Rule = (tree) => {
  const manifest = (path: string): PackageJson =>
    JSON.parse(tree.files.find((file) => file.path === path)?.text ?? "{}") as PackageJson;
  const atRoot = Object.keys(manifest("package.json").devDependencies ?? {});
  return typescript(tree).flatMap((file) => {
    const name = packageOf(file.path);
    const own = name ? (manifest(`packages/${name}/package.json`).dependencies ?? {}) : {};
    const isTool = name === undefined || isTest(file);
    return importsOf(file).flatMap((specifier) => {
      if (specifier.startsWith(".") || isBuiltin(specifier)) return [];
      const wanted = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
      const isOurs = wanted.startsWith("@suture/") && isTool;
      if (wanted in own || isOurs || (isTool && atRoot.includes(wanted))) return [];
      return [`${file.path}: ${wanted} is not a declared dependency`];
    });
  });
};

interface LockFile {
  packages?: Record<string, { optionalDependencies?: Record<string, string> }>;
}

/**
 * `npm ci` refuses a lock file that lacks an optional package, even one for another system, and
 * npm leaves out those that its registry did not have when the file was written.
 */
export const lockFileIsComplete: Rule = (tree) => {
  const text = tree.files.find((file) => file.path === "package-lock.json")?.text ?? "{}";
  const { packages = {} } = JSON.parse(text) as LockFile;
  const locked = Object.keys(packages);
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !locked.some((key) => key.endsWith(`node_modules/${name}`)))
      .map((name) => `package-lock.json: ${path} wants ${name}, which is not locked`),
  );
};

/** Every file is reached from a program, a package's index or, outside of packages, a test. */
export const noFileIsDead: Rule = (tree) => {
  const files = new Map(typescript(tree).map((file) => [file.path, file]));
  const reach = (roots: readonly SourceFile[]): Set<string> => {
    const reached = new Set<string>();
    const rest = [...roots];
    for (let file = rest.pop(); file; file = rest.pop()) {
      if (reached.has(file.path)) continue;
      reached.add(file.path);
      rest.push(...edgesOf(file).flatMap((path) => files.get(path) ?? []));
    }
    return reached;
  };
  const isRoot = ({ path }: SourceFile): boolean => PROGRAMS.test(path) || CONFIGURATION.test(path);
  const shipped = reach([...files.values()].filter(isRoot));
  const tested = reach([...files.values()].filter(isTest));
  return [...files.keys()]
    .filter((path) => !shipped.has(path))
    .filter((path) => !tested.has(path) || (packageOf(path) && !isTest({ path })))
    .map((path) => `${path}: nothing uses this file`);
};

export const filesAreShort: Rule = (tree) =>
  typescript(tree)
    .filter((file) => !LONG_TABLES.includes(file.path))
    .map((file) => ({ file, lines: file.text.trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(({ file, lines }) => `${file.path}: ${lines} lines, more than ${LINES_MAX}`);

export const namesAreKebabCase: Rule = (tree) =>
  typescript(tree).flatMap(({ path }) => {
    const refused = path.split("/").find((folder) => FOLDER_NAMES_REFUSED.includes(folder));
    if (refused) return [`${path}: a folder named ${refused} says nothing`];
    const parts = path.split("/").filter((part) => !/^[a-z0-9.]+(-[a-z0-9.]+)*$/.test(part));
    return parts.map((part) => `${path}: ${part} is not kebab-case`);
  });

export const noDefaultExport: Rule = (tree) =>
  typescript(tree)
    .filter((file) => !CONFIGURATION.test(file.path) && /^export default\b/m.test(file.text))
    .map((file) => `${file.path}: has a default export`);

/** What is left to do has an issue. */
export const tasksNameTheirIssue: Rule = (tree) =>
  typescript(tree).flatMap((file) => {
    const match = /\/[/*].*\b(TO(?:)DO|FIX(?:)ME)\b(?!\(#\d+\))/.exec(file.text);
    return match
      ? [`${file.path}: ${match[1]} without an issue number, as in ${match[1]}(#7)`]
      : [];
  });

/** Links in the documents lead somewhere: to a file, and to a heading where they name one. */
export const linksResolve: Rule = (tree) =>
  tree.files
    .filter((file) => file.path.endsWith(".md"))
    .flatMap((file) => {
      const links = [...withoutCode(file.text).matchAll(/\]\(([^)\s]+)\)/g)];
      return links.flatMap(([, link = ""]) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? file.path : resolveFrom(file, path);
        if (!tree.has(target.replace(/\/$/, ""))) return [`${file.path}: ${link} does not exist`];
        if (anchor === undefined || headingsOf(tree, target).includes(anchor)) return [];
        return [`${file.path}: ${link} names no heading`];
      });
    });

const withoutCode = (markdown: string): string => markdown.replace(/```[\s\S]*?```|`[^`\n]*`/g, "");

const headingsOf = (tree: SourceTree, path: string): string[] =>
  [...(tree.files.find((file) => file.path === path)?.text ?? "").matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
  );
