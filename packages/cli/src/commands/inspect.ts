import type { Hotpatch } from "@suture/engine";
import type { HotpatchManifest } from "@suture/release";
import type { Arguments, Command, Context } from "../command.ts";
import { type Block, done, line, type Outcome, table } from "../outcome.ts";
import type { EngineParts, ReleaseParts } from "../parts.ts";
import { counted, onlyPositional, readHotpatch, refusedOutcome } from "../selection.ts";

export const inspect: Command = {
  name: "inspect",
  summary: "show what a hotpatch file contains",
  usage: "FILE",
  about:
    "Shows what the hotpatch fixes, for which Build-ID, which functions it replaces and what it\n" +
    "was built from. Looks at no process.",
  options: {},
  example: "suture inspect redis-7.0.15-u10.hotpatch",
  run: async (args, context) => run(args, context),
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const path = onlyPositional(args, "FILE");
  const parts = await context.engine();
  const read = readHotpatch(path, context, parts);
  if ("outcome" in read) return read.outcome;
  const { hotpatch } = read;
  const release = await context.release();
  try {
    const manifest = readManifest(hotpatch, parts, release);
    return done(
      { hotpatch: { file: path, size: hotpatch.bytes.length, ...hotpatch.description, manifest } },
      ...describe(hotpatch, manifest),
    );
  } catch (error) {
    if (!(error instanceof release.ManifestError)) throw error;
    return refusedOutcome({
      refused: "bad-hotpatch",
      detail: `${path}: ${error.message}`,
      next: "fetch or build the hotpatch file again and check its signature",
    });
  }
}

/** The manifest of a hotpatch; a hotpatch without one can be applied, but says less. */
export function readManifest(
  hotpatch: Hotpatch,
  parts: EngineParts,
  release: Pick<ReleaseParts, "MANIFEST_SECTION" | "parseManifest">,
): HotpatchManifest | undefined {
  const bytes = parts.sectionNamed(hotpatch, release.MANIFEST_SECTION);
  return bytes && release.parseManifest(bytes);
}

/** What people read about a hotpatch, from its description and its manifest. */
export function describe(
  hotpatch: Pick<Hotpatch, "bytes" | "description">,
  manifest: HotpatchManifest | undefined,
): Block[] {
  const { id, sequence, target, functions, references, callbacks = [] } = hotpatch.description;
  const blocks = [
    line(`hotpatch    ${id}, sequence ${sequence}, ${hotpatch.bytes.length} bytes`),
    line(`fits        ${target.name}, Build-ID ${target.buildId}`),
  ];
  if (manifest) {
    const { component, builtFrom } = manifest;
    if (component.package) {
      blocks.push(line(`component   ${component.package} ${component.version ?? ""}`.trimEnd()));
    }
    blocks.push(
      line(`built from  ${builtFrom.source}, fixed by ${builtFrom.fixedBy}`),
      line(`compiler    ${builtFrom.compiler}`),
      line(`proof       ${builtFrom.proof}`),
    );
  }
  blocks.push(
    line(
      `replaces    ${counted(functions.length, "function")}, refers to ${counted(references.length, "symbol")}`,
    ),
    ...callbacks.map(({ when, symbol }) => line(`${when.padEnd(11)} ${symbol.replace(/@.*/, "")}`)),
    line(""),
    table(
      [{ title: "FUNCTION", cutTo: 16 }, { title: "ADDRESS" }, { title: "SIZE", align: "right" }],
      functions.map(({ name, address, size }) => [name, `0x${address.toString(16)}`, `${size}`]),
    ),
  );
  if (manifest && manifest.fixes.length > 0) {
    const rows = manifest.fixes.map((fix) => [
      fix.cves.join(" ") || fix.source,
      fix.verdict,
      fix.reason ?? fix.functions.join(" "),
    ]);
    const columns = [
      { title: "FIX", cutTo: 14 },
      { title: "VERDICT" },
      { title: "FUNCTIONS OR REASON", cutTo: 20 },
    ];
    blocks.push(line(""), table(columns, rows));
  }
  return blocks;
}
