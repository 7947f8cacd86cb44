/**
 * Keeps the old line numbers in the fixed source, so that unchanged code compiles to unchanged code.
 *
 * A fix that adds one line to a file shifts all lines below it, and every `assert` there has
 * another `__LINE__` in its machine code: without a remedy half of all functions that differ
 * differ only by that. The remedy is the `#line` directive (C17 6.10.4). Behind a line that ends
 * something at the left margin, the next line that the old source has too gets its old number back:
 *
 *     before            after                     compiled
 *     1 int a(void) {   1 int a(void) {           int a(void) {
 *     2   return 1;     2   check();              check();
 *     3 }               3   return 1;             return 1;
 *     4                 4 }                       }
 *     5 int b(void) {   5                         #line 4
 *     6   assert(x);    6 int b(void) {           (empty, number 4)
 *     7 }               7   assert(x);            ... assert(x) has number 6 as before
 *
 * Only where the numbers differ is a directive written, and only behind lines that are `}` or
 * `};` or a whole directive at the left margin and not in a comment or a continued line: in the
 * arguments of a macro a directive would be undefined (C17 6.10.3 paragraph 11). A file name is
 * not given, so __FILE__ stays. -D__LINE__=0 instead would change every such function twice.
 */
import { alignLines } from "./line-diff.ts";

/** `after` with directives that give its unchanged lines the numbers they have in `before`. */
export function keepLineNumbers(before: string, after: string): string {
  const beforeLines = before.split("\n");
  const afterLines = after.split("\n");
  const aligned = alignLines(beforeLines, afterLines);
  const boundaries = boundariesOf(afterLines);
  const output: string[] = [];
  // What the compiler's count is ahead of the line's place in `after`; unknown behind a
  // conditional, whose directives may have been skipped.
  let ahead: number | undefined = 0;
  let written = false;
  for (const [index, line] of afterLines.entries()) {
    output.push(line);
    if (written && /^\s*#\s*(?:if|el|endif)/.test(line)) ahead = undefined;
    if (!boundaries[index]) continue;
    const wanted = nextDifference(aligned, index + 1);
    if (wanted === undefined || wanted === ahead || index + 2 + wanted < 1) continue;
    output.push(`#line ${index + 2 + wanted}`);
    ahead = wanted;
    written = true;
  }
  return output.join("\n");
}

/** By how much the next line that both texts have stands further down in `before`. */
function nextDifference(aligned: Int32Array, start: number): number | undefined {
  for (let index = start; index < aligned.length; index += 1) {
    const line = aligned[index] ?? -1;
    if (line >= 0) return line - index;
  }
  return undefined;
}

/** For every line whether a directive may follow it. */
function boundariesOf(lines: readonly string[]): readonly boolean[] {
  let inComment = false;
  let continued = false;
  let inArguments = 0;
  return lines.map((line) => {
    const startedClean = !inComment && !continued;
    const scan = scanLine(line, inComment);
    const directive = startedClean && /^#/.test(line);
    inComment = scan.inComment;
    continued = line.endsWith("\\");
    if (/^\}/.test(line) && startedClean) inArguments = 0;
    else if (!directive) inArguments = Math.max(0, inArguments + scan.parentheses);
    if (!startedClean || inComment || continued) return false;
    if (/^\};?\s*$/.test(line)) return true;
    return inArguments === 0 && /^#\s*(?:include|endif|define|undef)\b/.test(line);
  });
}

/** How a line leaves comments open, and how many more parentheses it opens than it closes. */
function scanLine(
  line: string,
  startsInComment: boolean,
): { readonly inComment: boolean; readonly parentheses: number } {
  let inComment = startsInComment;
  let parentheses = 0;
  let index = 0;
  while (index < line.length) {
    if (inComment) {
      const end = line.indexOf("*/", index);
      if (end < 0) return { inComment, parentheses };
      inComment = false;
      index = end + 2;
      continue;
    }
    const character = line.charAt(index);
    if (line.startsWith("//", index)) break;
    if (line.startsWith("/*", index)) {
      inComment = true;
      index += 2;
      continue;
    }
    if (character === '"' || character === "'") index = literalEnd(line, index);
    if (character === "(") parentheses += 1;
    if (character === ")") parentheses -= 1;
    index += 1;
  }
  return { inComment, parentheses };
}

/** The index of the quote that closes the one at `start`, or of the line's end. */
function literalEnd(line: string, start: number): number {
  const quote = line.charAt(start);
  let index = start + 1;
  while (index < line.length && line.charAt(index) !== quote) {
    index += line.charAt(index) === "\\" ? 2 : 1;
  }
  return index;
}
