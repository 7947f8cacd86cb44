import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Catalog } from "@suture/release";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import { numberOf, onRelease } from "./release-request.ts";

export const server: Command = {
  name: "server",
  summary: "run the control plane: API, console, and the release channel's files",
  usage: "--data DIR [--channel DIR|URL] [--database URL] [--port N]",
  about:
    "Keeps everything in the data folder: the key that signs assignments, and the database where\n" +
    "--database names no PostgreSQL. The first start makes the account admin and prints its\n" +
    "password once. Ends on SIGTERM or Ctrl-C. Listens on this machine alone unless --host says\n" +
    "otherwise; put TLS in front of it, or give it a certificate.",
  options: {
    data: { type: "string", value: "DIR", help: "its folder (made where it is not there)" },
    database: { type: "string", value: "URL", help: "postgresql://… instead of the data folder" },
    host: { type: "string", value: "ADDRESS", help: "where it listens (127.0.0.1)" },
    port: { type: "string", value: "N", help: "8080; 0 for a free one, which it prints" },
    channel: { type: "string", value: "DIR|URL", help: "the release channel; a folder is served" },
    root: { type: "string", value: "FILE", help: "the pinned root of the channel" },
    "channel-url": { type: "string", value: "URL", help: "where devices find it, if elsewhere" },
    console: { type: "string", value: "DIR", help: "the built console (packages/console/dist)" },
    "control-key": { type: "string", value: "FILE", help: "the 32-byte seed, if kept elsewhere" },
    "admin-password-file": { type: "string", value: "FILE", help: "password of the first admin" },
    "tls-cert": { type: "string", value: "FILE", help: "certificate chain, PEM" },
    "tls-key": { type: "string", value: "FILE", help: "its key, PEM" },
    "trust-proxy": { type: "string", value: "ADDRESS", help: "a proxy that is believed" },
    "demo-accounts": { type: "boolean", help: "one account a role, for trying it out" },
  },
  example:
    "suture server --data /var/lib/suture-server --channel /srv/channel\n" +
    "suture server --data demo --port 0 --demo-accounts",
  run: onRelease(run),
};

const secretBytesMax = 4096;

async function run(args: Arguments, release: ReleaseParts, context: Context): Promise<Outcome> {
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`server takes options only, not ${extra}`);
  const host = args.text("host") ?? "127.0.0.1";
  const demoAccounts = args.flag("demo-accounts");
  if (demoAccounts && !LOOPBACK.has(host)) {
    throw new UsageError("--demo-accounts: their password is known; listen on 127.0.0.1");
  }
  const { DEMO_PASSWORD, FIRST_ADMIN, startServer, StoreError } = await import("@suture/server");
  const signal = context.endSignal();
  const dataFolder = resolve(requiredData(args));
  try {
    const running = await startServer({
      dataFolder,
      host,
      port: numberOf(args, "port", { min: 0, max: 65_535 }) ?? 8080,
      version: context.version,
      now: release.now,
      random: release.randomBytes,
      readSecret: async (path) => (existsSync(path) ? await readSecret(path, release) : undefined),
      writeSecret: release.writeSecretFile,
      report: (error) => context.progress(`fault: ${String(error)}`),
      logger: { level: "warn" },
      ...(demoAccounts && { demoAccounts }),
      ...optional("databaseUrl", args.text("database")),
      ...optional("channelUrl", args.text("channel-url")),
      ...optional("trustProxy", args.text("trust-proxy")),
      ...(await secretsOf(args, release)),
      ...consoleOf(args),
      ...tlsOf(args),
      ...channelOf(args, release, dataFolder),
    });
    context.progress(`listening at ${running.url} (${running.database})`);
    if (running.adminPassword !== undefined) {
      context.progress(`first account: ${FIRST_ADMIN}, password: ${running.adminPassword}`);
    }
    if (demoAccounts) context.progress(`demo accounts: password ${DEMO_PASSWORD}`);
    await ended(signal);
    await running.close();
    return done({ url: running.url }, line("ended"));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return failed("failed", { reason: error.code, detail: error.message, next: error.next });
  }
}

const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "::1", "localhost"]);

const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

function requiredData(args: Arguments): string {
  const folder = args.text("data");
  if (folder === undefined) throw new UsageError("--data DIR is missing");
  return folder;
}

const optional = <Key extends string>(key: Key, value: string | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string };

const readSecret = async (path: string, { readSecretFile, userId }: ReleaseParts) =>
  await readSecretFile(path, { userId, bytesMax: secretBytesMax });

async function secretsOf(args: Arguments, release: ReleaseParts) {
  const keyFile = args.text("control-key");
  const passwordFile = args.text("admin-password-file");
  const seed = keyFile && (await readSecret(resolve(keyFile), release));
  if (seed && seed.length !== 32) throw new UsageError(`${keyFile}: ${seed.length} bytes, not 32`);
  const password = passwordFile && (await readSecret(resolve(passwordFile), release));
  const text = password && (Buffer.from(password).toString("utf8").split("\n")[0] ?? "").trim();
  if (text !== undefined && text !== "" && text.length < 12) {
    throw new UsageError(`${passwordFile}: a password has 12 characters or more`);
  }
  return { ...(seed && { controlSeed: seed }), ...(text && { adminPassword: text }) };
}

function consoleOf(args: Arguments): { consoleFolder?: string } {
  const chosen = args.text("console");
  if (chosen !== undefined) return { consoleFolder: resolve(chosen) };
  const built = fileURLToPath(new URL("../../../console/dist", import.meta.url));
  return existsSync(join(built, "index.html")) ? { consoleFolder: built } : {};
}

function tlsOf(args: Arguments) {
  const cert = args.text("tls-cert");
  const key = args.text("tls-key");
  if (cert === undefined && key === undefined) return {};
  if (cert === undefined || key === undefined) {
    throw new UsageError("--tls-cert and --tls-key belong together");
  }
  return { tls: { cert: readFileSync(resolve(cert)), key: readFileSync(resolve(key)) } };
}

const channelTimeoutMs = 30_000;

function channelOf(
  args: Arguments,
  release: ReleaseParts,
  dataFolder: string,
): { channelFolder?: string; readChannel?: () => Promise<Catalog> } {
  const channel = args.text("channel");
  if (channel === undefined) return {};
  const isUrl = /^https?:\/\//.test(channel);
  const folder = isUrl ? undefined : publicFolder(resolve(channel));
  const rootFile = args.text("root");
  if (rootFile === undefined && folder === undefined) {
    throw new UsageError("--root FILE is missing: what is trusted of a channel elsewhere");
  }
  // A folder of this machine is trusted as it is on the first start.
  const pinned = resolve(rootFile ?? join(folder ?? "", "metadata", "1.root.json"));
  const timing = { timeoutMs: channelTimeoutMs, fetch: release.fetch };
  const client = release.openReleaseClient({
    root: readFileSync(pinned),
    storage: release.folderStorage(join(dataFolder, "channel")),
    fetch:
      folder === undefined
        ? release.httpFetch({ baseUrl: channel, ...timing })
        : release.folderFetch(folder),
    now: release.now,
  });
  return {
    readChannel: async () => await client.update(),
    ...(folder !== undefined && { channelFolder: folder }),
  };
}

/** A repository's folder, or the part of it that is served. */
function publicFolder(folder: string): string {
  const inside = join(folder, "public");
  return existsSync(inside) ? inside : folder;
}
