/**
 * What a C compiler's arguments say: sources, output, language, and the rest that decides the code.
 *
 * gcc's and clang's command lines are alike where it matters (gcc manual, "Option Summary").
 * Only options that take their value from the next argument need a table.
 */

/** One source file compiled by one recorded command. */
export interface CompileCommand {
  /** Absolute path of the directory the compiler ran in. */
  readonly directory: string;
  /** The source as the command names it: relative to `directory` or absolute. */
  readonly file: string;
  /** The compiler, as it was called. */
  readonly compiler: string;
  /** What decides the code: without sources, output, dependency files and -c. */
  readonly options: readonly string[];
  readonly language: Language;
  /** Variables that the build set for it. */
  readonly env?: Readonly<Record<string, string>>;
  /** The object as the command names it; undefined when it compiled and linked at once. */
  readonly output?: string;
}

export type Language = "c" | "c++" | "assembly" | "other";

export interface ParsedArguments {
  readonly sources: readonly { readonly file: string; readonly language: Language }[];
  readonly output: string | undefined;
  readonly compiles: boolean;
  readonly links: boolean;
  readonly options: readonly string[];
  readonly responseFiles: readonly string[];
}

const takesNext = new Set(
  (
    "-o -x -I -D -U -L -l -T -u -z -e -B -G -include -imacros -isystem -iquote -idirafter -iprefix " +
    "-iwithprefix -iwithprefixbefore -isysroot -imultilib -MF -MT -MQ -Xlinker -Xassembler " +
    "-Xpreprocessor -Xclang -mllvm -target -arch -aux-info -dumpbase -dumpbase-ext -dumpdir --param " +
    "-wrapper -MJ -A -cxx-isystem -include-pch -Xanalyzer -working-directory -specs --sysroot -rpath -soname -h"
  ).split(" "),
);

const languageOfExtension: Readonly<Record<string, Language>> = {
  c: "c",
  i: "c",
  cc: "c++",
  cp: "c++",
  cxx: "c++",
  cpp: "c++",
  CPP: "c++",
  "c++": "c++",
  C: "c++",
  ii: "c++",
  S: "assembly",
  s: "assembly",
  sx: "assembly",
  m: "other",
  mm: "other",
  f: "other",
  f90: "other",
  go: "other",
  d: "other",
};

const languageOfName: Readonly<Record<string, Language>> = {
  c: "c",
  "cpp-output": "c",
  "c++": "c++",
  assembler: "assembly",
  "assembler-with-cpp": "assembly",
};

/** Reads the arguments behind the compiler's own name. */
export function parseArguments(args: readonly string[]): ParsedArguments {
  const sources: { file: string; language: Language }[] = [];
  const options: string[] = [];
  const responseFiles: string[] = [];
  let output: string | undefined;
  let forced: Language | undefined;
  let stopsEarly = false;
  let compilesOnly = false;
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? "";
    const value = takesNext.has(argument) ? args[index + 1] : undefined;
    if (value !== undefined) index += 1;
    if (argument === "-") continue;
    else if (argument === "-c") compilesOnly = true;
    else if (["-E", "-S", "-M", "-MM", "-fsyntax-only"].includes(argument)) stopsEarly = true;
    else if (argument === "-o") output = value;
    else if (/^-o./.test(argument)) output = argument.slice(2);
    else if (argument === "-x") forced = value === "none" ? undefined : languageOfName[value ?? ""];
    else if (/^-x./.test(argument)) forced = languageOfName[argument.slice(2)];
    else if (argument.startsWith("@")) responseFiles.push(argument.slice(1));
    else if (isWithoutEffect(argument)) continue;
    else if (argument.startsWith("-"))
      options.push(argument, ...(value === undefined ? [] : [value]));
    else {
      const language = forced ?? languageOfExtension[argument.slice(argument.lastIndexOf(".") + 1)];
      if (language !== undefined) sources.push({ file: argument, language });
    }
  }
  const compiles = !stopsEarly && (compilesOnly || sources.length > 0);
  return { sources, output, compiles, links: !stopsEarly && !compilesOnly, options, responseFiles };
}

/** Options that leave the code as it is but write files beside the object, or end the build. */
function isWithoutEffect(argument: string): boolean {
  return (
    /^-M/.test(argument) ||
    /^-Wp,-M/.test(argument) ||
    /^-save-temps/.test(argument) ||
    ["-gsplit-dwarf", "-pipe", "-v", "-###", "-Werror"].includes(argument)
  );
}

/** True for code that is compiled again when it is linked, or by what a run of it measured. */
export function usesLinkTimeOptimisation(options: readonly string[]): boolean {
  let on = false;
  for (const option of options) {
    if (/^-flto(=|$)/.test(option)) on = option !== "-flto=none";
    if (option === "-fno-lto") on = false;
  }
  return on;
}
