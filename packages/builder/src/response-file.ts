/** The words of a response file. */

/**
 * Splits the text of a response file as gcc does (libiberty, argv.c, `buildargv`): unlike in a
 * shell, a backslash takes the meaning of whatever follows it in quotes of both kinds too.
 */
export function splitResponseFile(text: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === "\\") {
      index += 1;
      word = (word ?? "") + text.charAt(index);
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else word = (word ?? "") + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/[ \f\n\r\t\v]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
