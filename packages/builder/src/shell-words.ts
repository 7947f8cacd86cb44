/**
 * Splits a command line into words as a POSIX shell does (POSIX.1-2017, Shell Command Language
 * 2.2 "Quoting"), without expansions: the `command` of a compile_commands.json has none.
 */
export function splitShellWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let index = 0;
  while (index < line.length) {
    const character = line.charAt(index);
    index += 1;
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'") {
      const end = line.indexOf("'", index);
      word = (word ?? "") + line.slice(index, end < 0 ? undefined : end);
      index = end < 0 ? line.length : end + 1;
    } else if (character === '"') {
      const quoted = doubleQuoted(line, index);
      word = (word ?? "") + quoted.text;
      index = quoted.end;
    } else if (character === "\\") {
      word = (word ?? "") + line.charAt(index);
      index += 1;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

function doubleQuoted(
  line: string,
  start: number,
): { readonly text: string; readonly end: number } {
  let text = "";
  let index = start;
  while (index < line.length && line.charAt(index) !== '"') {
    if (line.charAt(index) === "\\" && /[$`"\\\n]/.test(line.charAt(index + 1))) index += 1;
    text += line.charAt(index);
    index += 1;
  }
  return { text, end: index + 1 };
}

/** A word as a shell reads it back. */
export const quoteWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
