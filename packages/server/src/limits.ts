/** Limits of the server; each with its reason. */

/** Of a request body: the longest check-in allowed by the contract is shorter. */
export const BODY_BYTES_MAX = 1024 * 1024;

/** A held request ends before proxies lose patience, which they do after 60 seconds. */
export const HOLD_MS = 55_000;

/** Agents ask this often when nothing is held and nothing happens. */
export const CHECK_IN_SECONDS = 300;

/** How long after it was last heard a device that holds no request counts as connected. */
export const CONNECTED_MS = 15_000;

/** Working hours and a little: a session that nobody uses ends the same day. */
export const SESSION_MS = 12 * 3_600_000;

/** Check-ins that are written together; more only make the first of them wait. */
export const BATCH_MAX = 256;

/** Requests that may wait for a batch; a server that is this far behind says so. */
export const QUEUE_MAX = 20_000;

/** Keys of devices kept in memory: some 2 KiB each. */
export const KEYS_MAX = 50_000;

/** Failed sign-ins or enrolments of one address in a window, before it has to wait. */
export const FAILURES_MAX = 10;
export const FAILURE_WINDOW_MS = 5 * 60_000;
/** Addresses remembered for it. */
export const ADDRESSES_MAX = 10_000;

/** Each password check takes 64 MiB: this many at once, and so many that wait. */
export const PASSWORD_CHECKS_MAX = 2;
export const PASSWORD_QUEUE_MAX = 50;

/** Items of a page where the request does not say. */
export const PAGE_SIZE = 100;

/** Consoles that listen for changes at once. */
export const LISTENERS_MAX = 200;

/** An assignment holds this long without the server, and is renewed when half of it is over. */
export const ASSIGNMENT_MS = 14 * 24 * 3_600_000;

/** Devices settled in one transaction in the background; those that ask must not wait long. */
export const SETTLE_PAGE = 200;
/** Devices that hold a request settle by themselves first. */
export const SWEEP_MS = 2000;

/** Events kept of each device: months of an honest one, and not the disk of one that is not. */
export const EVENTS_KEPT = 2000;
