import type { Calendar, CalendarEntry, Component, Severity, UpdateEntry } from "@suture/release";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import { readHotpatch } from "../selection.ts";
import { readManifest } from "./inspect.ts";
import {
  KEY_OPTION,
  numberOf,
  onRelease,
  REPOSITORY_OPTION,
  readPublicKey,
  repositoryOf,
  requiredText,
  waitingReport,
  whileLocked,
} from "./release-request.ts";

export const releaseAdd: Command = {
  name: "release add",
  summary: "add a product, an update or a calendar entry to what will be published",
  usage:
    "product NAME --key FILE... [--threshold N]\n" +
    "       suture release add baseline --product P --baseline B --component TEXT...\n" +
    "       suture release add hotpatch FILE --product P --baseline B\n" +
    "       suture release add out-of-band [FILE|--component TEXT...] --product P --baseline B\n" +
    "       suture release add calendar [--planned-months 1,4,7,10] [--date D --kind KIND]",
  about:
    "Each makes the next version of one metadata file, for its signers to sign. A product has keys\n" +
    "of its own, which sign its updates and no other's. A hotpatch says in its manifest what it is\n" +
    "for, what it fixes and what it leaves out; it belongs to a baseline of the channel. An\n" +
    "out-of-band update is a hotpatch (FILE) or a baseline (--component) outside the calendar.",
  options: {
    ...REPOSITORY_OPTION,
    ...KEY_OPTION,
    threshold: { type: "string", value: "N", help: "how many of the product's keys must sign (1)" },
    product: { type: "string", value: "NAME", help: "the product that the update is for" },
    baseline: { type: "string", value: "NAME", help: "the baseline, such as 2026-10" },
    component: {
      type: "string",
      multiple: true,
      value: "TEXT",
      help: "'FILE BUILD-ID [PACKAGE VERSION]': what a baseline consists of (may be repeated)",
    },
    severity: { type: "string", value: "NAME", help: "critical, important, moderate or low" },
    cve: {
      type: "string",
      multiple: true,
      value: "ID",
      help: "what a baseline fixes (may be repeated; a hotpatch says it itself)",
    },
    "planned-months": { type: "string", value: "LIST", help: "months with a planned baseline" },
    date: { type: "string", value: "DATE", help: "the day of a calendar entry: 2026-11-10" },
    kind: { type: "string", value: "KIND", help: "its kind: baseline, hotpatch, out-of-band" },
    note: { type: "string", value: "TEXT", help: "what people read beside it" },
  },
  example:
    "suture release add product redis --key ann.key.pub\n" +
    "suture release add baseline --product redis --baseline 2026-10 \\\n" +
    "    --component 'redis-server b2bcad6d23563e10222dc42e7a9b0e07f5c56033 redis 5:7.0.15-1'\n" +
    "suture release add hotpatch fix.hotpatch --product redis --baseline 2026-10\n" +
    "suture release add calendar --date 2026-12-08 --kind baseline --note 'extra baseline'",
  run: onRelease(
    async (args, parts, context) =>
      await whileLocked(args, { parts, task: releaseAdd.name }, () => run(args, parts, context)),
  ),
};

interface Task {
  readonly args: Arguments;
  readonly parts: ReleaseParts;
  readonly context: Context;
}

async function run(args: Arguments, parts: ReleaseParts, context: Context): Promise<Outcome> {
  const [what, word, ...more] = args.positionals;
  if (more[0] !== undefined) throw new UsageError(`release add takes no ${more[0]}`);
  const task = { args, parts, context };
  switch (what) {
    case "product":
      return await addProduct(named(word, "NAME"), task);
    case "baseline":
      if (word !== undefined) throw new UsageError(`a baseline has no file: ${word}`);
      return await addBaseline("baseline", task);
    case "hotpatch":
      return await addHotpatch(named(word, "FILE"), "hotpatch", task);
    case "out-of-band":
      if (word !== undefined) return await addHotpatch(word, "out-of-band", task);
      return await addBaseline("out-of-band", task);
    case "calendar":
      if (word !== undefined) throw new UsageError(`release add calendar takes no ${word}`);
      return await addCalendar(task);
    default:
      throw new UsageError(
        "what is to be added? product, baseline, hotpatch, out-of-band or calendar",
      );
  }
}

function named(word: string | undefined, what: string): string {
  if (word === undefined) throw new UsageError(`${what} is missing`);
  return word;
}

async function addProduct(product: string, { args, parts, context }: Task): Promise<Outcome> {
  const keys = args.texts("key").map((path) => readPublicKey(path, parts, context));
  if (keys.length === 0) throw new UsageError("--key FILE is missing: who signs for the product?");
  const threshold = numberOf(args, "threshold", { min: 1, max: 64 }) ?? 1;
  const files = repositoryOf(args, parts);
  const { rolesOf, readRepository, ReleaseError } = parts;
  const roles = rolesOf(await readRepository(files));
  if (roles.some(({ role }) => role === product)) {
    throw new ReleaseError("wrong-request", product, "it is there; see: suture release keys set");
  }
  await parts.addProduct({ files, now: parts.now(), product, signers: { keys, threshold } });
  return await added({ product }, `product ${product}`, { args, parts });
}

async function addHotpatch(
  path: string,
  kind: "hotpatch" | "out-of-band",
  { args, parts, context }: Task,
): Promise<Outcome> {
  const engine = await context.engine();
  const read = readHotpatch(path, context, engine);
  if ("outcome" in read) return read.outcome;
  const manifest = manifestOf(path, () => readManifest(read.hotpatch, engine, parts), parts);
  const files = repositoryOf(args, parts);
  const product = requiredText(args, "product");
  const baseline = requiredText(args, "baseline");
  const { component, sequence } = manifest;
  const place = { baseline, sequence, components: [component] };
  const entry = parts.hotpatchEntryOf({
    manifest,
    kind,
    baseline,
    severity: severityOf(args, parts),
    supersedes: await parts.supersededBy(files, product, place),
    now: parts.now(),
  });
  return await addEntry(entry, read.hotpatch.bytes, { args, parts });
}

function manifestOf<Manifest>(
  path: string,
  read: () => Manifest | undefined,
  { ManifestError, ReleaseError }: ReleaseParts,
): Manifest {
  try {
    const manifest = read();
    if (manifest !== undefined) return manifest;
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new ReleaseError("wrong-request", path, error.message, { cause: error });
  }
  throw new ReleaseError("wrong-request", path, "the hotpatch has no manifest");
}

async function addBaseline(
  kind: "baseline" | "out-of-band",
  { args, parts }: Task,
): Promise<Outcome> {
  const product = requiredText(args, "product");
  const baseline = requiredText(args, "baseline");
  const components = args.texts("component").map(componentOf);
  if (components.length === 0) {
    throw new UsageError("--component 'FILE BUILD-ID [PACKAGE VERSION]' is missing");
  }
  const files = repositoryOf(args, parts);
  const place = { baseline, sequence: 0, components };
  const entry: UpdateEntry = {
    format: 1,
    kind,
    id: `${product}-${baseline}`,
    ...place,
    cves: args.texts("cve"),
    severity: severityOf(args, parts),
    supersedes: await parts.supersededBy(files, product, place),
    restartNeeded: true,
    leftOut: [],
    released: parts.now().toISOString().slice(0, 10),
  };
  return await addEntry(entry, undefined, { args, parts });
}

function componentOf(text: string): Component {
  const [file, buildId, name, version, ...more] = text.trim().split(/\s+/);
  if (file === undefined || buildId === undefined || more.length > 0) {
    throw new UsageError(`--component '${text}': expected 'FILE BUILD-ID [PACKAGE VERSION]'`);
  }
  return { file, buildId, ...(name && { package: name }), ...(version && { version }) };
}

/** Throws UsageError where it is none of the names. */
export function severityOf(args: Arguments, parts: ReleaseParts): Severity {
  const names = Object.values(parts.Severity);
  const text = args.text("severity") ?? "important";
  const severity = names.find((name) => name === text);
  if (severity === undefined) throw new UsageError(`--severity ${text}: ${names.join(", ")}`);
  return severity;
}

async function addEntry(
  entry: UpdateEntry,
  payload: Uint8Array | undefined,
  { args, parts }: Pick<Task, "args" | "parts">,
): Promise<Outcome> {
  const files = repositoryOf(args, parts);
  const product = requiredText(args, "product");
  const request = { files, now: parts.now(), product, entry, ...(payload && { payload }) };
  const target = await parts.addTarget(request);
  return await added({ target, entry }, target, { args, parts });
}

async function addCalendar({ args, parts }: Task): Promise<Outcome> {
  const files = repositoryOf(args, parts);
  const present = await parts.readCalendar(files);
  const months = args.text("planned-months");
  const date = args.text("date");
  if (months === undefined && date === undefined) {
    throw new UsageError("give --planned-months LIST, or --date DATE with --kind KIND");
  }
  const calendar: Calendar = {
    ...present,
    ...(months !== undefined && { plannedMonths: months.split(",").map(Number) }),
    ...(date !== undefined && { entries: [...present.entries, entryOf(date, args, parts)] }),
  };
  await parts.setCalendar({ files, now: parts.now(), calendar });
  return await added({ calendar }, "calendar", { args, parts });
}

function entryOf(date: string, args: Arguments, { UpdateKind }: ReleaseParts): CalendarEntry {
  const kinds = Object.values(UpdateKind);
  const kind = kinds.find((name) => name === requiredText(args, "kind"));
  if (kind === undefined) throw new UsageError(`--kind ${args.text("kind")}: ${kinds.join(", ")}`);
  const [product, baseline, note] = ["product", "baseline", "note"].map((name) => args.text(name));
  return {
    date,
    kind,
    ...(product !== undefined && { product }),
    ...(baseline !== undefined && { baseline }),
    ...(note !== undefined && { note }),
  };
}

async function added(
  document: Readonly<Record<string, unknown>>,
  what: string,
  { args, parts }: Pick<Task, "args" | "parts">,
): Promise<Outcome> {
  const { waiting, lines } = await waitingReport(parts, repositoryOf(args, parts));
  return done({ added: document, waiting }, line(`added ${what}`), ...lines);
}
