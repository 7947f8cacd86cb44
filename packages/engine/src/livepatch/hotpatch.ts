/**
 * Reading a hotpatch file: an ELF relocatable object with the section `.suture.patch`.
 *
 * Every field is checked, for the file is input like any other. docs/patch-format.md has the
 * whole format.
 */
import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { type ElfFile, parseElf, sectionByName, sectionBytes } from "../elf/file.ts";
import { type Refusal, refuse } from "../refusals.ts";
import { CALLBACKS_MAX, FUNCTIONS_MAX, HOTPATCH_FILE_SIZE_MAX } from "./limits.ts";
import {
  CALLBACK_TIMES,
  type Callback,
  type FunctionPart,
  PATCH_SECTION,
  type PatchDescription,
  type ReplacedFunction,
  type SymbolReference,
} from "./patch-description.ts";

const ET_REL = 1;

export interface Hotpatch {
  readonly bytes: Uint8Array;
  readonly object: ElfFile;
  readonly description: PatchDescription;
}

/** Parses a hotpatch file, or refuses it as `bad-hotpatch` with the place of the damage. */
export function parseHotpatch(bytes: Uint8Array): Hotpatch | Refusal {
  if (bytes.length > HOTPATCH_FILE_SIZE_MAX) {
    return bad(`the file has ${bytes.length} bytes, more than ${HOTPATCH_FILE_SIZE_MAX}`);
  }
  try {
    const object = parseElf(bytes);
    if (object.e_type !== ET_REL) return bad("the file is no relocatable ELF object");
    const section = sectionByName(object, PATCH_SECTION);
    if (section === undefined) return bad(`the file has no section ${PATCH_SECTION}`);
    return { bytes, object, description: parseDescription(sectionBytes(object, section)) };
  } catch (error) {
    if (error instanceof FormatError) return bad(error.message);
    throw error;
  }
}

/** Parses the content of `.suture.patch`. Throws FormatError; offsets count within the section. */
export function parseDescription(bytes: Uint8Array): PatchDescription {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw wrong("the section", "JSON in UTF-8", String(error));
  }
  const root = object(value, "the section");
  if (root.format !== 1) throw wrong("format", "1", JSON.stringify(root.format) ?? "nothing");
  const target = object(root.target, "target");
  return {
    format: 1,
    id: text(root.id, "id", /^[A-Za-z0-9.+~_-]{1,120}$/),
    sequence: count(root.sequence, "sequence"),
    target: {
      buildId: text(target.buildId, "target.buildId", /^([0-9a-f]{2}){8,64}$/),
      name: text(target.name, "target.name", /^[^/\0\n]{1,255}$/),
    },
    functions: list(root.functions, "functions").map(parseFunction),
    references: list(root.references, "references").map(parseReference),
    ...(root.callbacks !== undefined && { callbacks: parseCallbacks(root.callbacks) }),
  };
}

function parseFunction(value: unknown, index: number): ReplacedFunction {
  const where = `functions[${index}]`;
  const entry = object(value, where);
  return {
    ...parsePart(value, where),
    name: text(entry.name, `${where}.name`),
    replacement: text(entry.replacement, `${where}.replacement`),
    parts: list(entry.parts, `${where}.parts`).map((part, at) =>
      parsePart(part, `${where}.parts[${at}]`),
    ),
  };
}

function parsePart(value: unknown, where: string): FunctionPart {
  const entry = object(value, where);
  return {
    address: address(entry.address, `${where}.address`),
    size: count(entry.size, `${where}.size`),
    sha256: text(entry.sha256, `${where}.sha256`, /^[0-9a-f]{64}$/),
  };
}

function parseReference(value: unknown, index: number): SymbolReference {
  const where = `references[${index}]`;
  const entry = object(value, where);
  const symbol = text(entry.symbol, `${where}.symbol`);
  switch (entry.kind) {
    case "module":
      return { symbol, kind: "module", address: address(entry.address, `${where}.address`) };
    case "module-tls":
      return { symbol, kind: "module-tls", offset: count(entry.offset, `${where}.offset`) };
    case "dynamic": {
      const name = text(entry.name, `${where}.name`);
      return entry.version === undefined
        ? { symbol, kind: "dynamic", name }
        : { symbol, kind: "dynamic", name, version: text(entry.version, `${where}.version`) };
    }
    default:
      throw wrong(`${where}.kind`, "module, dynamic or module-tls", String(entry.kind));
  }
}

function parseCallbacks(value: unknown): Callback[] {
  const callbacks = list(value, "callbacks");
  if (callbacks.length > CALLBACKS_MAX) throw wrong("callbacks", "a shorter list", "a longer one");
  return callbacks.map((item, index) => {
    const where = `callbacks[${index}]`;
    const entry = object(item, where);
    const when = CALLBACK_TIMES.find((time) => time === entry.when);
    if (when === undefined) throw wrong(`${where}.when`, CALLBACK_TIMES.join(), `${entry.when}`);
    const symbol = text(entry.symbol, `${where}.symbol`);
    return { when, symbol, unit: text(entry.unit, `${where}.unit`) };
  });
}

function object(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(where, "an object", typeof value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(where, "a list", typeof value);
  if (value.length > FUNCTIONS_MAX * 16) throw wrong(where, "a shorter list", `${value.length}`);
  return value;
}

function text(value: unknown, where: string, form = /^[^\0]{1,4096}$/s): string {
  if (typeof value !== "string" || !form.test(value)) {
    throw wrong(where, `text of the form ${form.source}`, JSON.stringify(value) ?? "nothing");
  }
  return value;
}

function count(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw wrong(where, "a whole number", JSON.stringify(value) ?? "nothing");
  }
  return value;
}

function address(value: unknown, where: string): FileAddr {
  const digits = text(value, where, /^0x[0-9a-f]{1,13}$/);
  return fileAddr(Number.parseInt(digits.slice(2), 16));
}

const wrong = (where: string, expected: string, found: string): FormatError =>
  new FormatError({ what: `${PATCH_SECTION}: ${where}`, offset: 0, expected, found });

const bad = (detail: string): Refusal =>
  refuse("bad-hotpatch", detail, "fetch or build the hotpatch file again and check its signature");
