/** `agent.json`, root's file: which channel, and which control plane if any. */
import { readFile } from "node:fs/promises";
import { AgentError } from "./errors.ts";
import {
  below,
  deviceIdPattern,
  matching,
  objectFromBytes,
  objectOf,
  type Place,
  sha256Pattern,
} from "./fields.ts";
import { settingsBytesMax } from "./limits.ts";

export interface AgentSettings {
  /** An absolute path, or an http or https address: the folder with `metadata` and `targets`. */
  readonly channel: string;
  readonly control?: ControlSettings;
}

export interface ControlSettings {
  /** `https://suture.example` */
  readonly server: string;
  readonly deviceId: string;
  /** SHA-256 of the raw public key that signs assignments, from the enrolment token. */
  readonly keyDigest: string;
}

/** The settings, or undefined where there is no file. Throws AgentError `settings-field`. */
export async function readSettings(file: string): Promise<AgentSettings | undefined> {
  const bytes = await readFile(file).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  return bytes === undefined ? undefined : parseSettings(bytes, file);
}

/** Strict: unknown fields are refused. Throws AgentError `settings-field`. */
export function parseSettings(bytes: Uint8Array, file: string): AgentSettings {
  const place: Place = { code: "settings-field", field: "" };
  if (bytes.length > settingsBytesMax) {
    throw new AgentError("settings-field", file, `${bytes.length} bytes`);
  }
  const fields = objectOf(objectFromBytes(bytes, place), place, {
    required: ["channel"],
    optional: ["control"],
  });
  const channel = matching(fields.channel, below(place, "channel"), channelPattern);
  if (fields.control === undefined) return { channel };
  const at = below(place, "control");
  const control = objectOf(fields.control, at, { required: ["server", "deviceId", "keyDigest"] });
  return {
    channel,
    control: {
      server: matching(control.server, below(at, "server"), serverPattern),
      deviceId: matching(control.deviceId, below(at, "deviceId"), deviceIdPattern),
      keyDigest: matching(control.keyDigest, below(at, "keyDigest"), sha256Pattern),
    },
  };
}

const channelPattern = /^(?:\/[^\p{Cc}]{0,999}|https?:\/\/[!-~]{1,990})$/u;
/** No user, no query, no path: requests are signed for the path that the server sees. */
export const serverPattern =
  /^https?:\/\/(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
