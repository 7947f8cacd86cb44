/** Which orders are in force: root's policy file, or the newest assignment, kept over restarts. */
import { join } from "node:path";
import type { Assignment } from "@suture/contract";
import { AgentError } from "../errors.ts";
import { matching, objectFromBytes, objectOf } from "../fields.ts";
import type { AssignmentRequest } from "../messages.ts";
import {
  noOrders,
  type Orders,
  ordersOfAssignment,
  ordersOfPolicy,
  parsePolicy,
} from "../policy/orders.ts";
import type { ControlSettings } from "../settings.ts";
import { readAssignment, verifyAssignment } from "./assignment.ts";
import { readIfThere, replaceFile } from "./journal.ts";

export interface OrdersKeeper {
  readonly orders: () => Orders;
  readonly assignment: () => Assignment | undefined;
  /**
   * Takes an assignment if it is believed, and keeps it before it is in force. Throws AgentError
   * with an `assignment-` code, or `disk-full`.
   */
  readonly accept: (request: AssignmentRequest) => Assignment;
}

export interface OrdersKeeperOptions {
  /** The control plane that root has enrolled this device with. */
  readonly control: Pick<ControlSettings, "deviceId" | "keyDigest"> | undefined;
  readonly policyFile: string;
  /** The executor's own folder. */
  readonly folder: string;
  readonly now: () => Date;
}

/**
 * Reads what is in force. A control plane comes before a policy file. Throws AgentError
 * `settings-field` for a policy that is wrong: root must know.
 */
export function openOrders({
  control,
  policyFile,
  folder,
  now,
}: OrdersKeeperOptions): OrdersKeeper {
  const path = join(folder, "assignment.json");
  let kept = control === undefined ? undefined : readKept(path, control);
  const policyOrders = control === undefined ? ordersOfFile(policyFile) : noOrders;
  return {
    orders: () => (kept === undefined ? policyOrders : ordersOfAssignment(kept.assignment)),
    assignment: () => kept?.assignment,
    accept: (request) => {
      if (control === undefined) {
        throw new AgentError("not-registered", "assignment", "no control plane");
      }
      const inForce = kept && { serial: kept.assignment.serial, document: kept.request.document };
      const expected = { ...control, now: now(), ...(inForce && { inForce }) };
      const assignment = verifyAssignment(request, expected);
      if (kept?.request.document !== request.document) {
        replaceFile(path, Buffer.from(JSON.stringify(request)));
      }
      kept = { assignment, request };
      return assignment;
    },
  };
}

interface Kept {
  readonly assignment: Assignment;
  readonly request: AssignmentRequest;
}

/** An expired one too: its serial still counts, and what it says of reverts is looked at by time. */
function readKept(
  path: string,
  { deviceId, keyDigest }: NonNullable<OrdersKeeperOptions["control"]>,
): Kept | undefined {
  const bytes = readIfThere(path);
  if (bytes.length === 0) return undefined;
  try {
    const place = { code: "assignment-field", field: "assignment.json" } as const;
    const names = ["document", "signature", "controlKey"] as const;
    const fields = objectOf(objectFromBytes(bytes, place), place, { required: names });
    const [document, signature, controlKey] = names.map((name) =>
      matching(fields[name], { ...place, field: name }, /^[\s\S]+$/),
    );
    const request = {
      document: document ?? "",
      signature: signature ?? "",
      controlKey: controlKey ?? "",
    };
    const assignment = readAssignment(request, keyDigest);
    // The device was enrolled anew since: what another identity was told is of no concern.
    return assignment.deviceId === deviceId ? { assignment, request } : undefined;
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}

function ordersOfFile(file: string): Orders {
  const bytes = readIfThere(file);
  return bytes.length === 0 ? noOrders : ordersOfPolicy(parsePolicy(bytes, file));
}
