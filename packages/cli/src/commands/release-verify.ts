import { resolve } from "node:path";
import type { Fetch } from "@suture/release";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, line, type Outcome, table } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import { counted } from "../selection.ts";
import { onRelease, REPOSITORY_OPTION, repositoryFolder, requiredText } from "./release-request.ts";

export const releaseVerify: Command = {
  name: "release verify",
  summary: "look at a whole channel as a new machine sees it",
  usage: "--root FILE [--repository DIR|--url URL]",
  about:
    "Follows the chain from the pinned root, verifies all metadata, and fetches and compares every\n" +
    "target. Shows what the channel offers, and every finding. Needs no key and changes nothing.",
  options: {
    ...REPOSITORY_OPTION,
    url: { type: "string", value: "URL", help: "a channel behind a web server, in its place" },
    root: { type: "string", value: "FILE", help: "the pinned root: what is trusted to begin with" },
  },
  example:
    "suture release verify --repository channel --root 1.root.json\n" +
    "suture release verify --url https://updates.example/suture --root 1.root.json",
  run: onRelease(run),
};

const timeoutMs = 60_000;

async function run(args: Arguments, parts: ReleaseParts, context: Context): Promise<Outcome> {
  if (args.positionals[0] !== undefined) {
    throw new UsageError(`release verify takes options only, not ${args.positionals[0]}`);
  }
  const fetch = fetchOf(args, parts);
  const root = context.readFile(resolve(requiredText(args, "root")));
  const { catalog, targets, findings } = await parts.verifyRepository({
    root,
    fetch,
    now: parts.now(),
  });
  const updates = catalog?.updates ?? [];
  const blocks = [
    table(
      [
        { title: "TARGET", cutTo: 24 },
        { title: "KIND" },
        { title: "SEVERITY" },
        { title: "CVES", align: "right" },
        { title: "STATE" },
      ],
      updates.map(({ target, kind, severity, cves, withdrawn }) => [
        ...[target, kind, severity, String(cves.length)],
        withdrawn ? `withdrawn: ${withdrawn.reason}` : "offered",
      ]),
    ),
    ...findings.map(({ subject, detail }) => line(`FAILED  ${subject}: ${detail}`)),
  ];
  const document = { catalog, targets, findings };
  const [first] = findings;
  if (first === undefined) {
    const text = `${counted(targets, "target")} verified; valid until ${catalog?.expires}`;
    return done(document, ...blocks, line(text));
  }
  const problem = {
    reason: first.reason,
    detail: first.detail,
    next: parts.RELEASE_PROBLEMS[first.reason].next,
  };
  return { exit: "failed", document, blocks, problem };
}

function fetchOf(args: Arguments, parts: ReleaseParts): Fetch {
  const baseUrl = args.text("url");
  if (baseUrl === undefined) return parts.folderFetch(resolve(repositoryFolder(args), "public"));
  if (args.text("repository") !== undefined) {
    throw new UsageError("--url and --repository exclude each other");
  }
  if (!/^https?:\/\//.test(baseUrl)) throw new UsageError(`--url ${baseUrl}: http or https`);
  return parts.httpFetch({ baseUrl, timeoutMs, fetch: parts.fetch });
}
