/** What the commands of `suture admin` have in common: server, token, names for ids. */
import { resolve } from "node:path";
import type { Call } from "@suture/contract";
import { type Arguments, type Context, type Option, UsageError } from "../command.ts";
import type { Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import { onRelease } from "./release-request.ts";

export const SERVER_OPTIONS: Readonly<Record<string, Option>> = {
  server: { type: "string", value: "URL", help: "the control plane (SUTURE_SERVER)" },
  "token-file": {
    type: "string",
    value: "FILE",
    help: "its first line is an API token; mode 600 (SUTURE_TOKEN_FILE)",
  },
};

export interface Admin {
  readonly args: Arguments;
  readonly context: Context;
  readonly parts: ReleaseParts;
  readonly call: Call;
  /** Without anything behind host and port. */
  readonly server: string;
}

/** Runs a command with a client of the server; what the server refuses is an outcome. */
export const onServer = (
  act: (admin: Admin) => Promise<Outcome>,
): ((args: Arguments, context: Context) => Promise<Outcome>) =>
  onRelease(async (args, parts, context) => {
    const server = serverOf(args, context);
    const tokenFile = args.text("token-file") ?? context.env.SUTURE_TOKEN_FILE;
    if (tokenFile === undefined) throw new UsageError("--token-file FILE is missing");
    const token = await firstLineOf(tokenFile, parts);
    if (!/^[A-Za-z0-9_.-]{20,200}$/.test(token)) {
      throw new UsageError(`${tokenFile}: its first line is no API token`);
    }
    const { openServerCall, serverProblem } = await import("../admin/server-call.ts");
    const call = openServerCall({ server, token, fetch: parts.fetch });
    try {
      return await act({ args, context, parts, call, server });
    } catch (error) {
      const outcome = serverProblem(error, server);
      if (outcome === undefined) throw error;
      return outcome;
    }
  });

const secretBytesMax = 4096;

/** The first line of a file that only its owner may read. Throws ReleaseError `key-file-access`. */
export async function firstLineOf(path: string, parts: ReleaseParts): Promise<string> {
  const { userId } = parts;
  const bytes = await parts.readSecretFile(resolve(path), { userId, bytesMax: secretBytesMax });
  return (new TextDecoder().decode(bytes).split("\n")[0] ?? "").trim();
}

/** Throws UsageError for http to another machine: the token would be readable on the way. */
export function serverOf(args: Arguments, { env }: Context): string {
  const text = args.text("server") ?? env.SUTURE_SERVER;
  if (text === undefined) throw new UsageError("--server URL is missing");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // An origin and nothing behind it, nor a user's name before it.
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    throw new UsageError(`--server ${text.slice(0, 200)}: https://HOST[:PORT]`);
  }
  if (url.protocol === "http:" && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname)) {
    throw new UsageError(`--server ${text}: http to another machine shows the token; use https`);
  }
  return url.origin;
}

/** The words of a command: those that are named, and no more. */
export function wordsOf(args: Arguments, names: readonly string[]): string[] {
  const extra = args.positionals[names.length];
  if (extra !== undefined) throw new UsageError(`one word too many: ${extra}`);
  return names.map((name, at) => {
    const word = args.positionals[at];
    if (word === undefined) throw new UsageError(`${name} is missing`);
    return word;
  });
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const isId = (text: string): boolean => UUID.test(text);

interface Named {
  readonly id: string;
  readonly name: string;
}

/** The id of a ring, group or policy that is given by id or name. */
export function idNamed(things: readonly Named[], text: string, what: string): string {
  const thing = things.find(({ id, name }) => id === text || name === text);
  if (thing !== undefined) return thing.id;
  const names = things.map(({ name }) => name).join(", ");
  throw new UsageError(`there is no ${what} ${text}; there is: ${names || "none"}`);
}

/** The id of a device that is given by id or hostname. Throws UsageError for none or several. */
export async function deviceIdOf(call: Call, text: string): Promise<string> {
  if (isId(text)) return text;
  const page = await call("devices", { query: { search: text, limit: 500 } });
  const found = page.items.filter(({ hostname }) => hostname === text);
  const [device, other] = found;
  if (device === undefined) throw new UsageError(`there is no device ${text}`);
  if (other === undefined) return device.id;
  const ids = found.map(({ id }) => id).join(", ");
  throw new UsageError(`several devices are called ${text}; give one of the ids: ${ids}`);
}

/** A number from an option that is none to be whole. Throws UsageError where it is no number. */
export function decimalOf(args: Arguments, option: string): number | undefined {
  const text = args.text(option);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) throw new UsageError(`--${option} ${text}: a number`);
  return Number(text);
}
