/**
 * Enrolment: the device makes its key, and trades a one-time token for an identity.
 *
 * The token names the control plane by the SHA-256 of its key, so a server that is another one is
 * noticed here, and again by root, who hands the digest to the executor. Whoever is killed between
 * sending and keeping sends the same key with the same token again.
 */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { canonicalJson, type EnrolmentAnswer } from "@suture/contract";
import { folderStorage, type HttpRequest } from "@suture/release";
import { serverPattern } from "../settings.ts";
import { parseEnrolmentAnswer } from "./answers.ts";
import { openDeviceKey } from "./device-key.ts";
import { NetworkError } from "./errors.ts";
import { createServerConnection } from "./server-connection.ts";

export interface EnrolmentToken {
  /** The whole token, as the server takes it. */
  readonly text: string;
  /** SHA-256 of the control plane's raw public key, hex. */
  readonly keyDigest: string;
}

/** `suture1.SECRET.SHA256`. Throws NetworkError `token-form`. */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  const keyDigest = /^suture1\.[A-Za-z0-9_-]{16,100}\.(?<digest>[0-9a-f]{64})$/.exec(text)?.groups
    ?.digest;
  // The token is a secret: what is wrong with it is not shown.
  if (keyDigest === undefined) throw new NetworkError("token-form", `${text.length} characters`);
  return { text, keyDigest };
}

/**
 * The server's address without anything behind host and port. Throws NetworkError `server-address`
 * for http to another machine: the token would be readable on the way.
 */
export function parseServerAddress(text: string): string {
  const address = text.replace(/\/$/, "");
  if (!serverPattern.test(address) || !URL.canParse(address)) {
    throw new NetworkError("server-address", address.slice(0, 200));
  }
  const { protocol, hostname } = new URL(address);
  if (protocol === "http:" && !isLoopback(hostname)) {
    throw new NetworkError("server-address", `${address}: http to another machine`);
  }
  return address;
}

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" ||
  hostname === "[::1]" ||
  (isIP(hostname) === 4 && hostname.startsWith("127."));

export const keyDigestOf = (controlKey: string): string =>
  createHash("sha256").update(Buffer.from(controlKey, "base64url")).digest("hex");

/** The same answer with the channel's address made whole. Throws NetworkError `control-key`. */
export function checkEnrolment(
  answer: EnrolmentAnswer,
  { server, keyDigest }: { readonly server: string; readonly keyDigest: string },
): EnrolmentAnswer {
  const found = keyDigestOf(answer.controlKey);
  if (found !== keyDigest) throw new NetworkError("control-key", `SHA-256 ${found}`);
  if (!URL.canParse(answer.channelUrl, server)) {
    throw new NetworkError("server-answer", "field channelUrl");
  }
  const channel = new URL(answer.channelUrl, server);
  if (channel.protocol !== "http:" && channel.protocol !== "https:") {
    throw new NetworkError("server-answer", "field channelUrl");
  }
  return { ...answer, channelUrl: channel.href };
}

export interface EnrolRequest {
  readonly server: string;
  readonly token: EnrolmentToken;
  /** The network half's folder. */
  readonly folder: string;
  readonly userId: number;
  readonly hostname: string;
  readonly fetch: HttpRequest;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly faultPoint: (name: string) => void;
}

/** Enrols, and keeps what the network half needs of the answer. Throws NetworkError. */
export async function enrolDevice(request: EnrolRequest): Promise<EnrolmentAnswer> {
  const { server, token, folder, faultPoint } = request;
  const key = await openDeviceKey(request);
  faultPoint("device-key-kept");
  const connection = createServerConnection(request);
  const body = { token: token.text, publicKey: key.publicKey, hostname: request.hostname };
  const answer = parseEnrolmentAnswer(await connection.ask("enrol", { body }));
  faultPoint("enrolment-answered");
  const checked = checkEnrolment(answer, { server, keyDigest: token.keyDigest });
  await folderStorage(folder).write(fileName, Buffer.from(canonicalJson(checked)));
  faultPoint("enrolment-kept");
  return checked;
}

const fileName = "enrolment.json";

/** What the device was told when it enrolled. Throws NetworkError `server-answer` if damaged. */
export async function readEnrolment(folder: string): Promise<EnrolmentAnswer | undefined> {
  const bytes = await folderStorage(folder).read(fileName);
  return bytes && parseEnrolmentAnswer(JSON.parse(Buffer.from(bytes).toString("utf8")));
}
