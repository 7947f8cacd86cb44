/**
 * Prints outcomes: tables and sentences for people, or one JSON document for programs.
 *
 * Results go to standard output, progress and problems to standard error. With `--json` the
 * problem is part of the document, so that a program reads one place only.
 */
import { EXIT_CODES } from "./exit-codes.ts";
import type { Block, Outcome, Problem } from "./outcome.ts";
import { formatTable } from "./table.ts";

export interface Stream {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface OutputOptions {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly json: boolean;
  /** False where NO_COLOR is set. Colour also needs a terminal. */
  readonly mayColour: boolean;
}

export interface Output {
  /** Says on standard error what is being done, for work that takes its time. */
  readonly progress: (step: string) => void;
  /** Prints the outcome; gives the exit code. */
  readonly show: (outcome: Outcome) => number;
}

/** Names of processes and files are other people's: none of them may steer the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");

const STYLES = { bold: 1, red: 31, dim: 2 } as const;

export function createOutput({ stdout, stderr, json, mayColour }: OutputOptions): Output {
  const styled = (stream: Stream, style: keyof typeof STYLES, text: string): string =>
    mayColour && stream.isTTY === true ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;

  const showBlock = (block: Block): void => {
    if (block.kind === "line") return void stdout.write(`${printable(block.text)}\n`);
    const width = stdout.isTTY === true ? stdout.columns : undefined;
    const rows = block.rows.map((row) => row.map(printable));
    const [head = "", ...lines] = formatTable(block.columns, rows, width);
    stdout.write(`${styled(stdout, "bold", head)}\n`);
    for (const text of lines) stdout.write(`${text}\n`);
  };

  const showProblem = ({ reason, detail, next, items = [] }: Problem): void => {
    stderr.write(`${styled(stderr, "red", `suture: ${reason}:`)} ${printable(detail)}\n`);
    for (const { code, name, detail } of items)
      stderr.write(`  ${printable(`${code}: ${name}: ${detail}`)}\n`);
    stderr.write(`${styled(stderr, "dim", "next:")} ${printable(next)}\n`);
  };

  return {
    progress: (step) => void stderr.write(`${styled(stderr, "dim", printable(step))}\n`),
    show(outcome) {
      const { exit, document, blocks, problem } = outcome;
      if (json) {
        const ok = exit === "done";
        const whole = { ok, ...document, ...(problem && { error: problem }) };
        stdout.write(`${JSON.stringify(whole, undefined, 2)}\n`);
      } else {
        blocks.forEach(showBlock);
        if (problem) showProblem(problem);
      }
      return EXIT_CODES[exit].code;
    },
  };
}
