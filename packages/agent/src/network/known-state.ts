/**
 * What the control plane knows of this device, as far as the device can tell; kept over restarts.
 *
 * The file only saves work and never decides what is true: without it everything is told again.
 * One thing must hold: a serial is never used for two different states. Else an answer to a lost
 * check-in could be taken for the answer to another one. So a serial is kept before it is sent,
 * and where that is not possible (disk full) the whole file goes. Whoever remembers nothing begins
 * to count at a random number, which no life before this one has come near to.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceFacts, TargetProgress } from "@suture/contract";
import { folderStorage } from "@suture/release";
import { isObject } from "../fields.ts";
import type { Random } from "./backoff.ts";
import { isDiskFull } from "./errors.ts";
import { stateBytesMax } from "./limits.ts";

export interface KnownState {
  readonly deviceId: string;
  /** The highest serial that was ever used. */
  readonly serialLast: number;
  /** Events up to this one are kept by the server. */
  readonly eventSerial: number;
  /** Absent until the server has said that it has them. */
  readonly facts?: { readonly serial: number; readonly value: DeviceFacts };
  /** As the server has it. */
  readonly progress: readonly TargetProgress[];
}

export interface KnownStateFile {
  /** What was kept for this device; a first state where there is none or it cannot be read. */
  readonly read: (deviceId: string) => Promise<KnownState>;
  /** Durable when it returns; false where the disk is full. */
  readonly write: (state: KnownState) => Promise<boolean>;
}

const fileName = "known.json";

/** Nothing is known; serials begin anywhere below 2^47. */
export const firstState = (deviceId: string, random: Random): KnownState => ({
  deviceId,
  serialLast: Math.floor(random() * 2 ** 47),
  eventSerial: 0,
  progress: [],
});

export function knownStateFile(folder: string, random: Random): KnownStateFile {
  const storage = folderStorage(folder);
  return {
    async read(deviceId) {
      const bytes = await storage.read(fileName);
      const state = bytes && parseKnownState(bytes);
      return state?.deviceId === deviceId ? state : firstState(deviceId, random);
    },
    async write(state) {
      const bytes = Buffer.from(JSON.stringify(state));
      try {
        if (bytes.length > stateBytesMax) throw new RangeError("what was sent is too much to keep");
        await storage.write(fileName, bytes);
        return true;
      } catch (error) {
        if (!isDiskFull(error) && !(error instanceof RangeError)) throw error;
        await rm(join(folder, fileName), { force: true });
        return !isDiskFull(error);
      }
    },
  };
}

/** The file is our own: its form is looked at, not each field. Undefined where it is damaged. */
function parseKnownState(bytes: Uint8Array): KnownState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { deviceId, serialLast, eventSerial, facts, progress } = value;
  const isWhole =
    typeof deviceId === "string" &&
    Number.isSafeInteger(serialLast) &&
    Number.isSafeInteger(eventSerial) &&
    Array.isArray(progress) &&
    (facts === undefined || (isObject(facts) && isObject(facts.value)));
  return isWhole ? (value as unknown as KnownState) : undefined;
}
