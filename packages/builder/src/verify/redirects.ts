/**
 * Do the replaced functions lead to their new code? Asked of the process's memory, not of whoever
 * wrote it.
 *
 *     module             hotpatch's memory
 *     f: endbr64         f': code of the object's section, fields of relocations apart
 *        jmp f'  ------>
 *
 * The jumps are followed from each entry until they leave the module. Where they arrive tells where
 * the replacement's section stands, and from there linked-code.ts compares what the new code is and
 * what it refers to.
 */
import { formatAddress, type Hotpatch, SHN, STT, symbolTable } from "../engine.ts";
import { createSymbolLookup } from "./library-symbols.ts";
import { createLinkedCode } from "./linked-code.ts";
import { problem, type VerifyProblem } from "./problems.ts";
import {
  HOTPATCH_PATH,
  type MappedModule,
  type MappedRange,
  type MemoryReader,
} from "./process-view.ts";
import type { VerifiedFunction } from "./request.ts";

export interface RedirectRequest {
  readonly hotpatch: Hotpatch;
  readonly module: MappedModule;
  readonly ranges: readonly MappedRange[];
  readonly memory: MemoryReader;
  /** The file behind a range. */
  readonly readFile: (range: MappedRange) => Uint8Array;
}

/** From an entry through a jump that a short function has room for. */
const JUMPS_MAX = 4;

/** All replaced functions as they were found, or the first that does not lead to its new code. */
export function checkRedirects(request: RedirectRequest): VerifiedFunction[] | VerifyProblem {
  const { hotpatch, module, ranges, memory } = request;
  const { functions, id } = hotpatch.description;
  const own = ranges.filter(({ path }) => path.startsWith(`${HOTPATCH_PATH}${id} `));
  const symbols = symbolTable(hotpatch.object);
  const isSymbolAt = createSymbolLookup(ranges, memory, request.readFile);
  const code = createLinkedCode({ ...request, own, symbols, isSymbolAt });
  const found: { name: string; entry: number; replacement: number; section: number }[] = [];
  for (const { name, address, replacement } of functions) {
    const entry = address + module.bias;
    const at = followJumps(entry, own, memory);
    if (typeof at === "string") return wrong(name, at);
    const symbol = symbols.findLast((candidate) => {
      const { st_shndx, type } = candidate;
      return candidate.name === replacement && type === STT.STT_FUNC && st_shndx !== SHN.SHN_UNDEF;
    });
    if (symbol === undefined) return wrong(name, `the hotpatch defines no function ${replacement}`);
    const difference = code.place(symbol.st_shndx, at - symbol.st_value);
    if (difference !== undefined) return wrong(name, difference);
    found.push({ name, entry, replacement: at, section: symbol.st_shndx });
  }
  // From here the place of each replacement is known, so that references among them can be told.
  const difference = code.compare();
  if (difference !== undefined) return wrong(difference.name, difference.detail);
  return found.map(({ section, ...rest }) => ({ ...rest, size: code.sizeOf(section) }));
}

const wrong = (name: string, detail: string): VerifyProblem =>
  problem("not-redirected", {
    detail: `${name}: ${detail}`,
    next: "do not use this hotpatch; build it again, and report this if it stays",
  });

/** Where the jumps from `entry` arrive in the hotpatch's code, or what is wrong. */
function followJumps(
  entry: number,
  own: readonly MappedRange[],
  memory: MemoryReader,
): number | string {
  let at = entry;
  for (let jumps = 0; jumps < JUMPS_MAX; jumps++) {
    const next = jumpTarget(at, memory);
    if (next === undefined) {
      const bytes = memory.read(at, 9)?.toString("hex") ?? "nothing that can be read";
      return `no jump stands at ${formatAddress(at)}, but ${bytes}`;
    }
    const range = own.find(({ start, end }) => start <= next && next < end);
    if (range?.permissions === "r-xp") return next;
    if (range) return `it leads to ${formatAddress(next)}, which is ${range.permissions}`;
    at = next;
  }
  return `its jumps lead to ${formatAddress(at)}, which is not in the hotpatch's memory`;
}

const ENDBR64 = "f30f1efa";
const JMP_REL32 = 0xe9;
const JMP_REL8 = 0xeb;

/** The target of the jump at `at`, behind an endbr64 that may stand there. */
function jumpTarget(at: number, memory: MemoryReader): number | undefined {
  const bytes = memory.read(at, 9) ?? memory.read(at, 5);
  if (bytes === undefined) return undefined;
  const skip = bytes.toString("hex", 0, 4) === ENDBR64 ? 4 : 0;
  if (bytes[skip] === JMP_REL8) return at + skip + 2 + bytes.readInt8(skip + 1);
  if (bytes[skip] !== JMP_REL32 || bytes.length < skip + 5) return undefined;
  return at + skip + 5 + bytes.readInt32LE(skip + 1);
}
