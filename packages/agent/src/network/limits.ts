/** Everything of the network half that grows or waits has a limit here, with its reason. */

/** An answer of the control plane: an assignment of 500,000 characters, escaped as JSON. */
export const answerBytesMax = 2 * 1024 * 1024;

/** An answer that is an error: a sentence or two. */
export const problemBytesMax = 16 * 1024;

/** From a request to the last byte of its answer, in milliseconds. */
export const requestTimeoutMs = 30_000;

/** The same for the request that the server holds for 55 seconds. */
export const heldTimeoutMs = 75_000;

/** The shortest time between two held requests: a server that answers at once must not spin us. */
export const heldGapMs = 1000;

/** One file of the channel, from the request to its last byte. */
export const downloadTimeoutMs = 10 * 60_000;

/** Waiting after a failure doubles from the first to the last, in milliseconds. */
export const backoffFirstMs = 1000;
export const backoffLastMs = 5 * 60_000;

/** The longest that `Retry-After` may ask for, in seconds. */
export const retryAfterSecondsMax = 3600;

/** Between two looks at the channel, in milliseconds. */
export const channelIntervalMs = 15 * 60_000;

/** Between two check-ins, in milliseconds: changes of a moment go together. */
export const checkInGapMs = 300;

/** The same where only facts differ: processes come and go all the time. */
export const factsGapMs = 5000;

/** How often the settings are looked at: enrolment takes effect without a restart. */
export const settingsIntervalMs = 5000;

/** Failures of the channel in a row before the device counts as not ready. */
export const channelFailuresMax = 3;

/** Seconds that the server's clock may differ before the device counts as not ready. */
export const clockOffsetSecondsMax = 300;

/** Seconds of difference from which on requests are signed by the server's clock. */
export const clockOffsetSecondsMin = 30;

/** Events and progress of one check-in: what its schema takes. */
export const checkInListMax = 100;

/** Components that one check-in tells: what its schema takes. */
export const componentsMax = 1000;

/** What the network half keeps of what it sent. */
export const stateBytesMax = 4 * 1024 * 1024;

/** The device's private key as PEM. */
export const keyFileBytesMax = 4096;

/** Targets in the spool: beyond it, those go that are offered but not wanted now. */
export const spoolBytesMax = 1024 * 1024 * 1024;

/** Versions of one metadata file in the spool; the newest is read, the others are on their way out. */
export const spoolVersionsMax = 20;
