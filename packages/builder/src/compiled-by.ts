/**
 * What debug information says of the compiler: gcc writes its version and the options that decide
 * the code into DW_AT_producer (DWARF 5, 3.1.1), a string of .debug_str, often a compressed one.
 *
 *     GNU C17 12.2.0 -mtune=generic -march=x86-64 -g -O2 -fPIE
 */
import { type ElfFile, FormatError, readSection, sectionByName } from "./engine.ts";

/** The producers that an object or a linked file names; none without debug information. */
export function producersOf(elf: ElfFile): readonly string[] {
  const section = sectionByName(elf, ".debug_str");
  if (section === undefined) return [];
  try {
    const text = Buffer.from(readSection(elf, section)).toString("latin1");
    const found = text.matchAll(/(?:^|\0)((?:GNU (?:C|C\+\+)\d* |[^\0]*clang version )[^\0]*)/g);
    return [...found].map(([, producer = ""]) => withoutOwn(producer));
  } catch (error) {
    // It only explains a refusal: a file that is damaged there may still be patched.
    if (error instanceof FormatError) return [];
    throw error;
  }
}

/** The options that this builder adds, and -g, change no code. */
const withoutOwn = (producer: string): string =>
  producer
    .split(" ")
    .filter((word) => !/^-(?:g\S*|ffunction-sections|fdata-sections|fno-lto)$/.test(word))
    .filter((word) => !/^-f(?:file|debug|macro)-prefix-map=/.test(word))
    .join(" ");

/**
 * A sentence about a unit whose compiler or options are not among those of the module; undefined
 * where they are, or where nothing is known.
 */
export function otherCompiler(unit: ElfFile, files: readonly ElfFile[]): string | undefined {
  const [own] = producersOf(unit);
  const known = [...new Set(files.flatMap((file) => producersOf(file)))];
  if (own === undefined || known.length === 0 || known.includes(own)) return undefined;
  return `it was compiled by "${known.slice(0, 3).join('", "')}", and here by "${own}"`;
}
