/** What servers over one database tell each other after a commit. */

import { MISSED_SIGNALS } from "../store/listener.ts";
import type { Work } from "../store/store.ts";
import type { HeldRequests } from "./held-requests.ts";
import type { ListChanges, ListName } from "./list-changes.ts";

/** A signal is at most 7,000 bytes; a device's id has 36. */
const idsMax = 150;

/** Wakes held requests of these devices, on whichever server they are held. */
export function signalDevices({ signal }: Work, deviceIds: readonly string[]): void {
  for (let at = 0; at < deviceIds.length; at += idsMax) {
    signal(`devices ${deviceIds.slice(at, at + idsMax).join(" ")}`);
  }
}

/** Wakes all held requests. */
export const signalAllDevices = ({ signal }: Work): void => signal("all-devices");

/** Devices are to be settled that may not ask by themselves for a while. */
export const signalSettle = ({ signal }: Work): void => signal("settle");

/** Pages that show these lists load them anew. */
export const signalLists = ({ signal }: Work, ...lists: ListName[]): void =>
  signal(`lists ${lists.join(" ")}`);

export interface Obeying {
  readonly held: HeldRequests;
  readonly lists: ListChanges;
  readonly settleSoon: () => void;
}

/** Does what a signal says. */
export function obeySignal(text: string, { held, lists, settleSoon }: Obeying): void {
  const [kind, ...words] = text.split(" ");
  switch (kind) {
    case "devices":
      for (const id of words) held.wake(id);
      break;
    case "lists":
      lists.changed(words);
      break;
    case "settle":
      settleSoon();
      break;
    case "all-devices":
    case MISSED_SIGNALS:
      held.wakeAll();
      settleSoon();
      break;
    default:
      // A newer server over the same database may say what this one does not know.
      break;
  }
}
