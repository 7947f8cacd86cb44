/** A server from a folder or a database: its keys, its first account, its port. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "./app.ts";
import { CHANNEL_PATH } from "./channel-paths.ts";
import { type ControlKey, controlKeyOf } from "./control-key.ts";
import { createDemoAccounts, createFirstAdmin } from "./first-accounts.ts";
import type { Parts } from "./parts.ts";
import type { RandomBytes } from "./secrets.ts";
import { openPGliteStore, openPostgresStore, type Store } from "./store/store.ts";

export interface StartOptions
  extends Pick<
    Parts,
    "channelFolder" | "consoleFolder" | "logger" | "readChannel" | "tls" | "trustProxy" | "version"
  > {
  /** Keeps the control key, and the database where there is no other. Made when it is not there. */
  readonly dataFolder: string;
  /** `postgresql://…`; absent: PGlite in the data folder. */
  readonly databaseUrl?: string;
  readonly host: string;
  /** 0: one that the system chooses. */
  readonly port: number;
  /** Where devices find the channel, if not below this server's address. */
  readonly channelUrl?: string;
  /** The control key's 32-byte seed, where it is not in the data folder. */
  readonly controlSeed?: Uint8Array;
  /** Reads a secret file of the data folder, and writes one. */
  readonly readSecret: (path: string) => Promise<Uint8Array | undefined>;
  readonly writeSecret: (path: string, bytes: Uint8Array) => Promise<void>;
  readonly now: () => Date;
  readonly random: RandomBytes;
  /** Of the first admin; absent: one is made. */
  readonly adminPassword?: string;
  /** One account a role, with a password that everybody knows. For trying it out only. */
  readonly demoAccounts?: boolean;
  /** Where failures go that no request waits for. */
  readonly report: (error: unknown) => void;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly database: Store["kind"];
  /** Of the first admin, where it was made now: shown once. */
  readonly adminPassword: string | undefined;
  readonly close: () => Promise<void>;
}

const TICK_MS = 1000;

/** Starts it; it listens when the promise is kept. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { dataFolder, databaseUrl, random, now, report } = options;
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const controlKey = await readControlKey(options);
  const store =
    databaseUrl === undefined
      ? await openPGliteStore(join(dataFolder, "database"))
      : await openPostgresStore({ url: databaseUrl, report });
  try {
    const adminPassword = await createFirstAdmin(store, {
      random,
      now: now(),
      password: options.adminPassword,
    });
    if (options.demoAccounts) await createDemoAccounts(store, { random, now: now() });
    const { channelFolder, consoleFolder, logger, readChannel, tls, trustProxy, version } = options;
    const app = await createApp({
      store,
      now,
      random,
      controlKey,
      version,
      channelUrl: options.channelUrl ?? CHANNEL_PATH,
      tickMs: TICK_MS,
      ...(channelFolder !== undefined && { channelFolder }),
      ...(consoleFolder !== undefined && { consoleFolder }),
      ...(logger !== undefined && { logger }),
      ...(readChannel !== undefined && { readChannel }),
      ...(tls !== undefined && { tls }),
      ...(trustProxy !== undefined && { trustProxy }),
    });
    const url = await app.listen({ host: options.host, port: options.port });
    return {
      url,
      database: store.kind,
      adminPassword,
      async close() {
        await app.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function readControlKey(options: StartOptions): Promise<ControlKey> {
  const { dataFolder, controlSeed, readSecret, writeSecret, random } = options;
  if (controlSeed !== undefined) return controlKeyOf(controlSeed);
  const path = join(dataFolder, "control.key");
  const kept = await readSecret(path);
  if (kept !== undefined) return controlKeyOf(Buffer.from(kept));
  const seed = random(32);
  await writeSecret(path, seed);
  return controlKeyOf(seed);
}
