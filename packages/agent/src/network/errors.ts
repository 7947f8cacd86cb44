/** Every way in which the network half fails, in one table. */

interface NetworkProblemRow {
  readonly meaning: string;
  /** What whoever sees it does now. */
  readonly next: string;
}

export const NETWORK_PROBLEMS = {
  "server-unreachable": {
    meaning: "the control plane cannot be reached",
    next: "look at the network and at the server; the agent tries again by itself",
  },
  "server-redirects": {
    meaning: "the control plane answers with a redirect, which is not followed",
    next: "enrol the device with the server's own address",
  },
  "server-answer": {
    meaning: "the control plane's answer is not what it must be",
    next: "see that the address is that of a Suture server of this version",
  },
  "server-refused": {
    meaning: "the control plane refuses the request",
    next: "see the server's reason",
  },
  "device-unknown": {
    meaning: "the control plane does not accept this device's signature",
    next: "compare the clocks; if the device was removed, enrol it again",
  },
  "token-form": {
    meaning: "this is no enrolment token",
    next: "copy the whole token: suture1.SECRET.DIGEST",
  },
  "control-key": {
    meaning: "the control plane's key is not the one that the token names",
    next: "do not trust this server: ask whoever made the token for its address",
  },
  "server-address": {
    meaning: "the server's address cannot be used",
    next: "give https://HOST[:PORT]; http is for this machine alone",
  },
  "key-file": {
    meaning: "the device's key file is not what it must be",
    next: "restore it, or remove the network half's folder and enrol again",
  },
  "disk-full": {
    meaning: "the disk has no room for what comes from the channel",
    next: "make room below /var/lib/suture",
  },
} as const satisfies Readonly<Record<string, NetworkProblemRow>>;

export type NetworkProblem = keyof typeof NETWORK_PROBLEMS;

/** Why something with the network failed. `found` is the fact, without secrets. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  readonly code: NetworkProblem;
  readonly found: string;
  /** What the server asked to wait, where it did. */
  readonly retryAfterSeconds: number | undefined;
  /** The server's own code, where it refused. */
  readonly serverCode: string | undefined;

  constructor(
    code: NetworkProblem,
    found: string,
    options: ErrorOptions & { retryAfterSeconds?: number; serverCode?: string } = {},
  ) {
    super(`${NETWORK_PROBLEMS[code].meaning} (${found})`, options);
    this.code = code;
    this.found = found;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.serverCode = options.serverCode;
  }

  get next(): string {
    return NETWORK_PROBLEMS[this.code].next;
  }
}

/** The file system is full, or the user's share of it is. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
