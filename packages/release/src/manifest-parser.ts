import { ManifestError } from "./errors.ts";
import { manifestBytesMax, manifestListMax, manifestTextMax } from "./limits.ts";
import {
  type BuiltFrom,
  type Component,
  type Fix,
  FixVerdict,
  type HotpatchManifest,
} from "./manifest.ts";

const idPattern = /^[A-Za-z0-9.+~_-]{1,120}$/;
const buildIdPattern = /^(?:[0-9a-f]{2}){8,64}$/;
const cvePattern = /^CVE-[0-9]{4}-[0-9]{4,}$/;
const packagePattern = /^[a-z0-9][a-z0-9.+-]{1,99}$/;
const versionPattern = /^[0-9A-Za-z.+~:-]{1,120}$/;
const fileNamePattern = /^[^/]{1,255}$/;
const verdicts: readonly FixVerdict[] = Object.values(FixVerdict);
const proofs = ["identical-build-id", "identical-sections", "matching-code"] as const;

/**
 * Reads the manifest of a hotpatch file, field by field.
 *
 * `bytes` is the content of the section `.suture.manifest`. Unknown fields are refused as well as
 * missing ones: what a reader does not know it cannot judge. Throws ManifestError.
 */
export function parseManifest(bytes: Uint8Array): HotpatchManifest {
  const fields = objectOf(parseJson(bytes), "", [
    ["format", "id", "sequence", "component", "fixes", "builtFrom"],
    [],
  ]);
  if (fields.format !== 1) throw wrong("format", "expected 1");
  return {
    format: 1,
    id: matching(fields.id, "id", idPattern),
    sequence: sequenceOf(fields.sequence),
    component: parseComponent(fields.component),
    fixes: listOf(fields.fixes, "fixes").map((fix, index) => parseFix(fix, `fixes[${index}]`)),
    builtFrom: parseBuiltFrom(fields.builtFrom),
  };
}

function parseComponent(value: unknown): Component {
  const fields = objectOf(value, "component", [
    ["file", "buildId"],
    ["package", "version"],
  ]);
  return {
    file: matching(fields.file, "component.file", fileNamePattern),
    buildId: matching(fields.buildId, "component.buildId", buildIdPattern),
    ...("package" in fields && {
      package: matching(fields.package, "component.package", packagePattern),
    }),
    ...("version" in fields && {
      version: matching(fields.version, "component.version", versionPattern),
    }),
  };
}

function parseFix(value: unknown, field: string): Fix {
  const fields = objectOf(value, field, [["cves", "source", "verdict", "functions"], ["reason"]]);
  const verdict = verdicts.find((known) => known === fields.verdict);
  if (verdict === undefined) throw wrong(`${field}.verdict`, `expected ${verdicts.join(", ")}`);
  return {
    cves: listOf(fields.cves, `${field}.cves`).map((cve) =>
      matching(cve, `${field}.cves`, cvePattern),
    ),
    source: textOf(fields.source, `${field}.source`),
    verdict,
    functions: textsOf(fields.functions, `${field}.functions`),
    ...("reason" in fields && { reason: textOf(fields.reason, `${field}.reason`) }),
  };
}

function parseBuiltFrom(value: unknown): BuiltFrom {
  const fields = objectOf(value, "builtFrom", [
    ["source", "fixedBy", "compiler", "proof", "units"],
    [],
  ]);
  const proof = proofs.find((known) => known === fields.proof);
  if (proof === undefined) throw wrong("builtFrom.proof", `expected ${proofs.join(", ")}`);
  return {
    source: textOf(fields.source, "builtFrom.source"),
    fixedBy: textOf(fields.fixedBy, "builtFrom.fixedBy"),
    compiler: textOf(fields.compiler, "builtFrom.compiler"),
    proof,
    units: textsOf(fields.units, "builtFrom.units"),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > manifestBytesMax) {
    throw new ManifestError("manifest-too-large", "", `${bytes.length} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    // SyntaxError is JSON's, TypeError the decoder's; both say that the bytes are no JSON text.
    const found = cause instanceof Error ? cause.name : "unreadable";
    throw Object.assign(new ManifestError("manifest-not-json", "", found), { cause });
  }
}

function objectOf(
  value: unknown,
  field: string,
  [required, optional]: readonly [readonly string[], readonly string[]],
): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    if (field === "") throw new ManifestError("manifest-not-json", "", "not an object");
    throw wrong(field, "expected an object");
  }
  const prefix = field === "" ? "" : `${field}.`;
  for (const name of required) {
    if (!Object.hasOwn(value, name)) throw wrong(`${prefix}${name}`, "missing");
  }
  for (const name of Object.keys(value)) {
    if (!required.includes(name) && !optional.includes(name)) {
      throw wrong(`${prefix}${name.slice(0, 80)}`, "unknown");
    }
  }
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(field, "expected a list");
  if (value.length > manifestListMax) throw wrong(field, `${value.length} items`);
  return value;
}

function textsOf(value: unknown, field: string): readonly string[] {
  return listOf(value, field).map((item, index) => textOf(item, `${field}[${index}]`));
}

function textOf(value: unknown, field: string): string {
  if (typeof value !== "string" || value === "") throw wrong(field, "expected a text");
  if (value.length > manifestTextMax) throw wrong(field, `${value.length} characters`);
  if (hasControlCharacter(value)) throw wrong(field, "a control character");
  return value;
}

/** Whoever prints a manifest on a terminal must not be at the mercy of who wrote it. */
function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

function matching(value: unknown, field: string, pattern: RegExp): string {
  const text = textOf(value, field);
  if (!pattern.test(text)) throw wrong(field, `expected ${pattern.source}`);
  return text;
}

function sequenceOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw wrong("sequence", "expected an integer from 1");
  }
  return value;
}

function wrong(field: string, found: string): ManifestError {
  return new ManifestError("manifest-field", field, found);
}
