/** What the server is built of; whoever starts it makes these. */
import type { ServerOptions } from "node:https";
import type { Catalog } from "@suture/release";
import type { FastifyServerOptions } from "fastify";
import type { ControlKey } from "./control-key.ts";
import type { RandomBytes } from "./secrets.ts";
import type { Store } from "./store/store.ts";

export interface Parts {
  readonly store: Store;
  readonly now: () => Date;
  readonly random: RandomBytes;
  /** Signs assignments. */
  readonly controlKey: ControlKey;
  readonly version: string;
  /** Where devices find the release channel: a URL, or a path of this server. */
  readonly channelUrl: string;
  /** Verifies the release channel as it is now; throws ReleaseError. None: the catalog is empty. */
  readonly readChannel?: () => Promise<Catalog>;
  /** The release channel's public files, served at `/channel/`. */
  readonly channelFolder?: string;
  /** The built console, served at `/`. */
  readonly consoleFolder?: string;
  /** Where it listens with TLS itself. */
  readonly tls?: Pick<ServerOptions, "cert" | "key">;
  /** Addresses of proxies that are believed about whom they speak for. */
  readonly trustProxy?: string | boolean;
  /** How often the server looks after rollouts by itself; 0: only when it is asked to, for tests. */
  readonly tickMs?: number;
  readonly logger?: FastifyServerOptions["logger"];
}
