/**
 * What the control plane answers, read strictly: it may be broken, or not the control plane at all.
 * Fields that are not known are left alone, for a newer server may send more.
 */
import type { CheckInAnswer, EnrolmentAnswer, SignedAssignment } from "@suture/contract";
import { deviceIdPattern, type Fields, isObject } from "../fields.ts";
import { NetworkError } from "./errors.ts";

const documentMax = 500_000;
/** Below what numbers hold, so that the device can go on counting. */
const serialMax = 2 ** 50;
const signaturePattern = /^[A-Za-z0-9_-]{86}$/;
const keyPattern = /^[A-Za-z0-9_-]{43}$/;
const channelPattern = /^[!-~]{1,1000}$/;

/** Throws NetworkError `server-answer`. */
export function parseEnrolmentAnswer(value: unknown): EnrolmentAnswer {
  const fields = objectIn(value, "answer");
  return {
    deviceId: text(fields, "deviceId", deviceIdPattern),
    controlKey: text(fields, "controlKey", keyPattern),
    channelUrl: text(fields, "channelUrl", channelPattern),
  };
}

/** Throws NetworkError `server-answer`. */
export function parseCheckInAnswer(value: unknown): CheckInAnswer {
  const fields = objectIn(value, "answer");
  const assignment = assignmentOf(fields);
  return {
    serial: integer(fields, "serial", 0, serialMax),
    eventSerial: integer(fields, "eventSerial", 0, serialMax),
    nextCheckInSeconds: integer(fields, "nextCheckInSeconds", 1, 86_400),
    ...(assignment && { assignment }),
  };
}

/** Throws NetworkError `server-answer`. */
export function parseHeldAnswer(value: unknown): SignedAssignment | undefined {
  return assignmentOf(objectIn(value, "answer"));
}

/** The server's own word for why it refused; empty where there is none. */
export function parseProblem(value: unknown): { readonly code: string; readonly detail: string } {
  const { code, detail } = isObject(value) ? value : {};
  const isCode = typeof code === "string" && /^[a-z-]{1,40}$/.test(code);
  return {
    code: isCode ? code : "",
    detail: typeof detail === "string" ? detail.slice(0, 300).replace(/[^\x20-\x7e]/g, "?") : "",
  };
}

function assignmentOf({ assignment }: Fields): SignedAssignment | undefined {
  if (assignment === undefined || assignment === null) return undefined;
  const fields = objectIn(assignment, "assignment");
  const { document } = fields;
  if (typeof document !== "string" || document.length > documentMax) throw wrong("document");
  return { document, signature: text(fields, "signature", signaturePattern) };
}

function objectIn(value: unknown, name: string): Fields {
  if (!isObject(value)) throw wrong(name);
  return value;
}

function text(fields: Fields, name: string, pattern: RegExp): string {
  const value = fields[name];
  if (typeof value !== "string" || !pattern.test(value)) throw wrong(name);
  return value;
}

function integer(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrong(name);
  }
  return value;
}

const wrong = (field: string): NetworkError => new NetworkError("server-answer", `field ${field}`);
