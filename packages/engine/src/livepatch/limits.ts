/** What grows has a limit; each is far above what real processes and hotpatches need. */

/** Larger files are no programs: Chromium with symbols has about 1.5 GiB. */
export const MODULE_FILE_SIZE_MAX = 2 ** 31 - 1;

/** A cumulative hotpatch of a year has some megabytes. */
export const HOTPATCH_FILE_SIZE_MAX = 64 * 2 ** 20;

/** Functions of one hotpatch. The entries are switched within the stop. */
export const FUNCTIONS_MAX = 4096;

/** Variables that one hotpatch brings. */
export const VARIABLES_MAX = 4096;

/** Callbacks of one hotpatch; the save area has records for them (link/callback-runner.ts). */
export const CALLBACKS_MAX = 256;

/** A callback that has not returned by then is cut short: the whole process waits for it. */
export const CALLBACK_DEADLINE_MS = 1000;

/** Bytes of the ledger: about 300 for each function or variable. */
export const LEDGER_SIZE_MAX = 4 * 2 ** 20;

/** A thread that does not stop within this time makes the attempt let go. */
export const STOP_DEADLINE_MS = 20;

/** How long apply and revert try, by default, before they report who is in the way. */
export const ATTEMPT_TIMEOUT_MS = 5000;

/** Pause between attempts: doubled each time, up to the maximum. */
export const BACKOFF_FIRST_MS = 1;
export const BACKOFF_MAX_MS = 250;

/** An injected call takes microseconds; a thread may wait for a processor meanwhile. */
export const INJECTED_CALL_MS = 3000;

/** Words of a stack that are looked at where there is no unwind information. */
export const STACK_SCAN_SIZE_MAX = 8 * 2 ** 20;
