import { resolve } from "node:path";
import type { FieldChange, PresentFleet } from "../admin/fleet-changes.ts";
import type { DocumentComplaint, ParsedDocument } from "../admin/fleet-document.ts";
import type { Change, Step } from "../admin/plan.ts";
import { type Command, type Option, UsageError } from "../command.ts";
import { type Block, done, failed, line, type Outcome } from "../outcome.ts";
import { type Admin, deviceIdOf, onServer, SERVER_OPTIONS, wordsOf } from "./admin-request.ts";
import { requiredText } from "./release-request.ts";

const FILE_OPTIONS: Readonly<Record<string, Option>> = {
  ...SERVER_OPTIONS,
  file: { type: "string", short: "f", value: "FILE", help: "the document, YAML" },
  prune: { type: "boolean", help: "remove what a section of the file does not name" },
};

export const adminApply: Command = {
  name: "admin apply",
  summary: "make rings, groups and policies as a file says",
  usage: "-f FILE [--prune] [--dry-run]",
  about:
    "The file has the sections rings, groups and policies; what it names is created or changed,\n" +
    "and a section that it does not have is left alone. Everything is checked before anything is\n" +
    "sent. Applying it again changes nothing. Exit codes: 0 done, or nothing to do; 3 refused.",
  options: {
    ...FILE_OPTIONS,
    "dry-run": { type: "boolean", help: "show what would be done" },
  },
  example:
    "suture admin apply -f fleet.yaml --dry-run\n" +
    "suture admin apply -f fleet.yaml --server https://suture.example --token-file token",
  run: onServer(apply),
};

export const adminDiff: Command = {
  name: "admin diff",
  summary: "show how the server differs from a file",
  usage: "-f FILE [--prune]",
  about:
    "Changes nothing. Exit codes: 0 where the server is as the file says, 6 where it differs, 3\n" +
    "where the file is refused. With --prune, what the file does not name is a difference too.",
  options: FILE_OPTIONS,
  example: "suture admin diff -f fleet.yaml --json",
  run: onServer(diff),
};

interface Plan {
  readonly changes: readonly Change[];
  readonly steps: readonly Step[];
  readonly present: PresentFleet;
}

async function diff(admin: Admin): Promise<Outcome> {
  const plan = await planOf(admin);
  if (!("changes" in plan)) return plan;
  const { changes } = plan;
  if (changes.length === 0) return nothingToDo;
  const problem = {
    reason: "different",
    detail: `${changes.length} difference(s) between the server and the file`,
    next: `suture admin apply -f ${requiredText(admin.args, "file")}`,
  };
  return { exit: "different", document: { changes }, blocks: changeLines(changes), problem };
}

async function apply(admin: Admin): Promise<Outcome> {
  const plan = await planOf(admin);
  if (!("changes" in plan)) return plan;
  const { changes, steps, present } = plan;
  if (changes.length === 0) return nothingToDo;
  if (admin.args.flag("dry-run")) {
    const last = line(`${changes.length} change(s); nothing was sent`);
    return done({ changes, applied: false }, ...changeLines(changes), last);
  }
  const { serverProblem } = await import("../admin/server-call.ts");
  const groupIds = new Map(present.groups.map(({ name, id }) => [name, id]));
  const sent: Change[] = [];
  for (const [at, { change, send }] of steps.entries()) {
    try {
      await send(admin.call, groupIds);
    } catch (error) {
      const outcome = serverProblem(error, admin.server, { changed: at > 0 });
      if (outcome === undefined) throw error;
      const { problem } = outcome;
      return {
        ...outcome,
        document: { changes: sent, left: changes.length - sent.length },
        blocks: changeLines(sent),
        ...(problem && { problem: stoppedAt(problem, change) }),
      };
    }
    if (change !== undefined) sent.push(change);
  }
  return done(
    { changes, applied: true },
    ...changeLines(changes),
    line(`${changes.length} change(s) made`),
  );
}

const nothingToDo = done({ changes: [] }, line("nothing to do: the server is as the file says"));

function stoppedAt(problem: NonNullable<Outcome["problem"]>, change: Change | undefined) {
  const what = change === undefined ? "rings" : `${change.action} ${change.kind} ${change.name}`;
  return {
    ...problem,
    detail: `${what}: ${problem.detail}`,
    next: `${problem.next}; then apply the file again: it goes on where it stopped`,
  };
}

async function planOf(admin: Admin): Promise<Plan | Outcome> {
  const { args, call, context } = admin;
  wordsOf(args, []);
  const path = requiredText(args, "file");
  const { DOCUMENT_BYTES_MAX, parseFleetDocument } = await import("../admin/fleet-document.ts");
  const bytes = context.readFile(resolve(path));
  if (bytes.length > DOCUMENT_BYTES_MAX) {
    throw new UsageError(`${path}: ${bytes.length} bytes; at most ${DOCUMENT_BYTES_MAX}`);
  }
  const parsed = parseFleetDocument(new TextDecoder().decode(bytes));
  if ("complaints" in parsed) return documentRefused(path, parsed.complaints);
  const present = {
    rings: await call("rings"),
    groups: await call("groups"),
    policies: await call("policies"),
  };
  const { fleetChanges } = await import("../admin/fleet-changes.ts");
  const { changesOf, refusalsOf, stepsOf } = await import("../admin/plan.ts");
  const { document } = parsed;
  const { deviceIds, unknown } = await devicesOf(admin, parsed);
  if (unknown.length > 0) return documentRefused(path, unknown);
  const found = fleetChanges(present, { document, prune: args.flag("prune"), deviceIds });
  const refusals = refusalsOf(found, { present, parsed });
  if (refusals.length > 0) return documentRefused(path, refusals);
  return { changes: changesOf(found), steps: stepsOf(found, present), present };
}

/** Ids of the devices that groups of the document name, and names that are nobody's or several's. */
async function devicesOf({ call }: Admin, { document, lineOf }: ParsedDocument) {
  const deviceIds = new Map<string, string>();
  const unknown: DocumentComplaint[] = [];
  for (const [at, { devices = [] }] of (document.groups ?? []).entries()) {
    for (const [place, device] of devices.entries()) {
      if (deviceIds.has(device)) continue;
      try {
        deviceIds.set(device, await deviceIdOf(call, device));
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        unknown.push({ line: lineOf(["groups", at, "devices", place]), text: error.message });
      }
    }
  }
  return { deviceIds, unknown };
}

function documentRefused(path: string, complaints: readonly DocumentComplaint[]): Outcome {
  const inOrder = [...complaints].sort((a, b) => a.line - b.line);
  const items = inOrder.map(({ line: at, text }) => ({
    name: `${path}:${at}`,
    code: "document",
    detail: text,
  }));
  const [first = { line: 1, text: "" }] = inOrder;
  return failed("refused", {
    reason: "document-refused",
    detail: `${path}:${first.line}: ${first.text}`,
    next: "mend the file; nothing was sent",
    ...(items.length > 1 && { items }),
  });
}

const SIGNS = { create: "+", change: "~", remove: "-" } as const;

const changeLines = (changes: readonly Change[]): Block[] =>
  changes.flatMap(({ action, kind, name, fields }) => [
    line(`${SIGNS[action]} ${action} ${kind} ${name}`),
    ...(action === "change" ? fields.map((field) => line(`    ${fieldText(field)}`)) : []),
  ]);

const fieldText = ({ field, from, to }: FieldChange): string =>
  `${field}: ${shown(from)} -> ${shown(to)}`;
const shown = (value: unknown): string => (value === undefined ? "-" : JSON.stringify(value));
