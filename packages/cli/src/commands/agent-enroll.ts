import { hostname } from "node:os";
import { resolve } from "node:path";
import type { AgentFolders, EnrolmentToken } from "@suture/agent";
import type { AgentParts } from "../agent-parts.ts";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import { prepareFolders } from "./agent-halves.ts";
import {
  noPositionals,
  onAgent,
  ROOT_OPTION,
  rootOf,
  USER_OPTION,
  type User,
  userOf,
} from "./agent-request.ts";
import { rootNeeded } from "./agent-run.ts";
import { becomeNetworkUser } from "./network-user.ts";
import { requiredText } from "./release-request.ts";

export const agentEnroll: Command = {
  name: "agent enroll",
  summary: "put this machine under a control plane",
  usage: "--server URL --token TOKEN --channel-root FILE",
  about:
    "Run by root. Pins two things for the executor: the control plane's key, whose digest is part\n" +
    "of the token, and the channel's first root, which you got from the channel's publisher. Then\n" +
    "the network half makes the device's key and enrols. Running it again with the same token\n" +
    "finishes what was cut short.",
  options: {
    server: { type: "string", value: "URL", help: "https://HOST[:PORT] of the control plane" },
    token: { type: "string", value: "TOKEN", help: "from: suture admin token new" },
    "token-file": { type: "string", value: "FILE", help: "its first line is the token" },
    "channel-root": { type: "string", value: "FILE", help: "the root to pin: 1.root.json" },
    again: { type: "boolean", help: "even though this machine is enrolled" },
    half: { type: "string", value: "network", help: "the network half's part, as its user" },
    ...ROOT_OPTION,
    ...USER_OPTION,
  },
  example:
    "suture agent enroll --server https://suture.example --token-file token \\\n" +
    "    --channel-root 1.root.json",
  run: onAgent(run),
};

const inputBytesMax = 10_000;

async function run(args: Arguments, parts: AgentParts, context: Context): Promise<Outcome> {
  noPositionals(args, "agent enroll");
  const half = args.text("half");
  if (half === "network") return await enrolNetworkHalf(args, parts, context);
  if (half !== undefined) throw new UsageError(`--half ${half}: only network`);
  if (parts.userId !== 0) return rootNeeded("agent enroll pins what the executor trusts");
  const server = parts.parseServerAddress(requiredText(args, "server"));
  const token = parts.parseEnrolmentToken(tokenOf(args, context));
  const user = userOf(args, context);
  const root = rootOf(args);
  const folders = parts.foldersBelow(root);
  const settings = await parts.readSettings(folders.settings);
  if (settings?.control !== undefined && !args.flag("again")) {
    return failed("refused", {
      reason: "enrolled-already",
      detail: `this machine is device ${settings.control.deviceId} of ${settings.control.server}`,
      next: "to enrol it anew, add --again",
    });
  }
  const pinned = await pinRoot(args, parts, context, folders);
  if (pinned !== undefined) return pinned;
  await prepareFolders({ root, user, parts });
  return await enrolWithUser({ server, token, user, root, folders }, parts);
}

function tokenOf(args: Arguments, context: Context): string {
  const file = args.text("token-file");
  if (file === undefined) return requiredText(args, "token");
  if (args.text("token") !== undefined) {
    throw new UsageError("--token and --token-file exclude each other");
  }
  const text = new TextDecoder().decode(context.readFile(resolve(file)));
  return (text.split("\n")[0] ?? "").trim();
}

/** Keeps the channel's root for both halves; an outcome where it is none. */
async function pinRoot(
  args: Arguments,
  parts: AgentParts,
  context: Context,
  folders: AgentFolders,
): Promise<Outcome | undefined> {
  const file = resolve(args.text("channel-root") ?? folders.channelRoot);
  const bytes = context.readFile(file);
  const client = parts.openReleaseClient({
    root: bytes,
    storage: { read: async () => undefined, write: async () => undefined },
    fetch: async () => undefined,
    now: parts.now,
  });
  try {
    await client.update();
  } catch (error) {
    if (!(error instanceof parts.ReleaseError)) throw error;
    // Nothing can be fetched from here: a root that is read so far is one.
    if (error.code !== "file-missing" && error.code !== "expired") {
      const detail = `${file}: ${error.message}`;
      return failed("failed", { reason: error.code, detail, next: "ask the channel's publisher" });
    }
  }
  await parts.writeRootFile(folders.channelRoot, bytes);
  return undefined;
}

interface Enrolling {
  readonly server: string;
  readonly token: EnrolmentToken;
  readonly user: User;
  readonly root: string;
  readonly folders: AgentFolders;
}

async function enrolWithUser(
  { server, token, user, root, folders }: Enrolling,
  parts: AgentParts,
): Promise<Outcome> {
  const as = ["--user", `${user.uid}:${user.gid}`];
  const words = ["agent", "enroll", "--half", "network", "--root", root, ...as, "--json"];
  const input = JSON.stringify({ server, token: token.text });
  const child = parts.startCommand(words, { input, reads: true });
  const { how, output } = await child.ended;
  const answer = childAnswer(output);
  if (answer.ok !== true) {
    const { error = { reason: "failed", detail: `the network half ended: ${how}`, next: "" } } =
      answer;
    return failed("failed", error);
  }
  // What the unprivileged half says is looked at again: only the digest of the token counts.
  const { deviceId, channelUrl } = parts.checkEnrolment(
    parts.parseEnrolmentAnswer(answer.enrolment),
    { server, keyDigest: token.keyDigest },
  );
  const control = { server, deviceId, keyDigest: token.keyDigest };
  const text = `${JSON.stringify({ channel: channelUrl, control }, undefined, 2)}\n`;
  await parts.writeRootFile(folders.settings, Buffer.from(text));
  const isRunning = await reloaded(parts, folders);
  return done(
    { deviceId, server, channel: channelUrl, executorRuns: isRunning },
    line(`enrolled at ${server} as device ${deviceId}`),
    line(`the control plane's key: SHA-256 ${token.keyDigest}`),
    line(`the release channel: ${channelUrl}, from the pinned root`),
    line(
      isRunning
        ? "the agent runs and has its new settings"
        : "start the agent: systemctl enable --now suture-executor suture-agent, or suture agent run",
    ),
  );
}

/** Whether an executor runs, which then has read the settings. */
async function reloaded(parts: AgentParts, folders: AgentFolders): Promise<boolean> {
  try {
    await parts.askExecutor(folders.socket, "reload", {});
    return true;
  } catch (error) {
    // It reads them when it is started.
    const isGone = error instanceof parts.AgentError || error instanceof parts.ExecutorRefusal;
    if (isGone) return false;
    throw error;
  }
}

interface ChildAnswer {
  readonly ok?: unknown;
  readonly enrolment?: unknown;
  readonly error?: { readonly reason: string; readonly detail: string; readonly next: string };
}

function childAnswer(output: string): ChildAnswer {
  try {
    const value: unknown = JSON.parse(output);
    return typeof value === "object" && value !== null ? (value as ChildAnswer) : {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {};
  }
}

/** The part that needs the network, as the network half's user; token and server from standard input. */
async function enrolNetworkHalf(
  args: Arguments,
  parts: AgentParts,
  context: Context,
): Promise<Outcome> {
  const refused = await becomeNetworkUser(args, parts, context);
  if (refused !== undefined) return refused;
  const text = new TextDecoder().decode(await parts.readInput(inputBytesMax));
  const { server, token } = enrolInput(text);
  const enrolment = await parts.enrolDevice({
    ...parts,
    server: parts.parseServerAddress(server),
    token: parts.parseEnrolmentToken(token),
    folder: parts.foldersBelow(rootOf(args)).network,
    hostname: hostname().slice(0, 100),
  });
  return done({ enrolment }, line(`device ${enrolment.deviceId}`));
}

function enrolInput(text: string): { readonly server: string; readonly token: string } {
  try {
    const { server, token } = JSON.parse(text) as Record<string, unknown>;
    if (typeof server === "string" && typeof token === "string") return { server, token };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UsageError('standard input: {"server": URL, "token": TOKEN}');
}
