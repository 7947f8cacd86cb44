/** `suture server` as a process of its own, and the people who work with it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Call, createClient, ROUTES } from "@suture/contract";
import { startBackground } from "./background-command.ts";
import { environmentOf } from "./compiled-sources.ts";
import { requestJson } from "./json-request.ts";

export interface ControlPlaneOptions {
  /** Its data folder is made below. */
  readonly folder: string;
  /** The release channel's repository. */
  readonly channel: string;
  /** `postgresql://…`; else the embedded database in the data folder. */
  readonly databaseUrl?: string;
  /** The one of a server that was there before; else the system chooses. */
  readonly port?: string;
}

export interface ControlPlane {
  readonly pid: number;
  readonly url: string;
  /** The password of every demonstration account. */
  readonly password: string;
  /** Calls routes as the account of that role. */
  readonly as: (role: DemonstrationRole) => Promise<Call>;
  readonly isRunning: () => boolean;
  /** The last lines that it printed. */
  readonly said: () => string;
  readonly end: () => Promise<void>;
  readonly kill: () => void;
}

/** Each has an account with that role alone; its login is the role, but for the admin's. */
export type DemonstrationRole = "viewer" | "author" | "approver" | "operator" | "admin" | "auditor";

export const DEMONSTRATION_ROLES: readonly DemonstrationRole[] = [
  ...(["viewer", "author", "approver", "operator", "admin", "auditor"] as const),
];

/** `admin` itself is the first account, with a password of its own. */
export const loginOf = (role: DemonstrationRole): string =>
  role === "admin" ? "demo-admin" : role;

const START_TIMEOUT_MS = 60_000;
const SIGN_IN_TIMEOUT_MS = 30_000;

/** Starts it on a port that the system chooses, and waits until it listens. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { folder, channel, databaseUrl, port = "0" } = options;
  mkdirSync(folder, { recursive: true });
  const command = startBackground({
    args: [
      ...["server", "--data", join(folder, "data"), "--channel", channel],
      ...["--port", port, "--demo-accounts"],
      ...(databaseUrl === undefined ? [] : ["--database", databaseUrl]),
    ],
    log: join(folder, "server.log"),
    env: environmentOf(process.env),
  });
  try {
    const [, url = ""] = await command.line(/listening at (http:\S+)/, START_TIMEOUT_MS);
    const [, password = ""] = await command.line(/demo accounts: password (.+)$/, START_TIMEOUT_MS);
    const callers = new Map<DemonstrationRole, Promise<Call>>();
    const { pid, isRunning, said, end, kill } = command;
    return {
      ...{ pid, url, password, isRunning, said, end, kill },
      async as(role) {
        const known = callers.get(role) ?? signIn(url, { login: loginOf(role), password });
        callers.set(role, known);
        return await known;
      },
    };
  } catch (error) {
    command.kill();
    throw error;
  }
}

async function signIn(
  server: string,
  body: { readonly login: string; readonly password: string },
): Promise<Call> {
  const { method, path } = ROUTES.signIn;
  const { status, value, headers } = await requestJson(server, {
    ...{ method, path, body: JSON.stringify(body), timeoutMs: SIGN_IN_TIMEOUT_MS },
  });
  if (status !== 200) throw new Error(`sign in as ${body.login}: ${JSON.stringify(value)}`);
  const cookie = headers["set-cookie"]?.map((text) => text.split(";")[0]).join("; ") ?? "";
  return createClient({ server, headers: { cookie }, fetch });
}
