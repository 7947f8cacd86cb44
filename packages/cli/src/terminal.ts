/** Asks for a secret on the terminal, which does not show what is typed. */
import { openSync } from "node:fs";
import { ReadStream } from "node:tty";
import { UsageError } from "./command.ts";

const enter = /[\r\n]/;
const interrupt = "\u0003";
const endOfInput = "\u0004";
const backspaces = ["\b", "\u007f"];

/**
 * Writes the question and reads one line without echo; the terminal is as before in the end.
 *
 * It talks to the terminal itself, not to standard input and output, which may be files. Throws
 * UsageError where there is no terminal. Ctrl-C ends the command as it does elsewhere.
 */
export async function askSecret(question: string): Promise<string> {
  const descriptor = openTerminal();
  const input = new ReadStream(descriptor);
  input.setRawMode(true);
  process.stderr.write(question);
  try {
    return await readLine(input);
  } finally {
    input.setRawMode(false);
    process.stderr.write("\n");
    input.destroy();
  }
}

function openTerminal(): number {
  try {
    return openSync("/dev/tty", "r+");
  } catch {
    // Whatever the reason, there is nobody to ask.
    throw new UsageError(
      "there is no terminal to ask for a passphrase: give --passphrase-file or --passphrase-fd",
    );
  }
}

async function readLine(input: ReadStream): Promise<string> {
  let typed = "";
  for await (const chunk of input.setEncoding("utf8")) {
    for (const character of String(chunk)) {
      if (enter.test(character)) return typed;
      if (character === interrupt) {
        input.setRawMode(false);
        process.kill(process.pid, "SIGINT");
      }
      if (character === interrupt || character === endOfInput) return "";
      typed = backspaces.includes(character) ? typed.slice(0, -1) : typed + character;
    }
  }
  return typed;
}
