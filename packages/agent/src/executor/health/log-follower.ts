/**
 * Looking for a pattern in what is appended to a log file.
 *
 * The pattern comes from a policy, and a bad one could run for ever on a line that an attacker
 * wrote into the log. So it works within a time limit, which V8 keeps in its regular expressions as
 * in everything else; a pattern that takes longer counts as no match, and that is told.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { printable } from "../../fields.ts";
import { logBytesMax, patternTimeMs } from "../../limits.ts";

/** How far a log file was looked at. */
export interface LogPlace {
  readonly file: string;
  readonly inode: number;
  readonly size: number;
}

export interface LogLook {
  readonly place: LogPlace;
  /** The first line that matches. */
  readonly match?: string;
  /** The pattern took too long, or is none. */
  readonly problem?: string;
}

/** The end of the file now: what is there is not looked at. No file: from its beginning. */
export function endOfLog(file: string): LogPlace {
  return (
    withFile(file, (descriptor) => {
      const { ino, size } = fstatSync(descriptor);
      return { file, inode: ino, size };
    }) ?? { file, inode: 0, size: 0 }
  );
}

/**
 * Looks at what came since `place`; a file that was replaced or cut is new from its beginning. Of
 * more than 256 KiB only the end is looked at. A line without its end is looked at as it is.
 */
export function lookAtLog(place: LogPlace, pattern: string): LogLook {
  const found = withFile(place.file, (descriptor) => {
    const { ino, size } = fstatSync(descriptor);
    const isSame = ino === place.inode && size >= place.size;
    const begin = Math.max(isSame ? place.size : 0, size - logBytesMax);
    const bytes = Buffer.alloc(Math.max(0, size - begin));
    const count = readSync(descriptor, bytes, 0, bytes.length, begin);
    const next = { file: place.file, inode: ino, size: begin + count };
    return { place: next, text: bytes.toString("utf8", 0, count) };
  });
  if (found === undefined) return { place };
  return { place: found.place, ...search(found.text, pattern) };
}

function search(text: string, pattern: string): Omit<LogLook, "place"> {
  if (text === "") return {};
  const context = createContext({ pattern, text }, { codeGeneration: { strings: false } });
  const code = "text.split('\\n').find((line) => new RegExp(pattern, 'u').test(line))";
  try {
    const line: unknown = runInContext(code, context, { timeout: patternTimeMs });
    return typeof line === "string" ? { match: printable(line) } : {};
  } catch (error) {
    const found = error instanceof Error || isErrorLike(error) ? error.message : String(error);
    return { problem: printable(found) };
  }
}

/** Errors of another context are no instances of our Error. */
const isErrorLike = (error: unknown): error is { message: string } =>
  typeof error === "object" && error !== null && "message" in error;

/** Regular files only, and never a wait: a pipe in the place of a log must not hold us. */
function withFile<Value>(file: string, use: (descriptor: number) => Value): Value | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
  try {
    return fstatSync(descriptor).isFile() ? use(descriptor) : undefined;
  } finally {
    closeSync(descriptor);
  }
}
