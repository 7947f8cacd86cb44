/** Everything of the agent that grows has a limit here, with its reason. */

/** One frame of the local socket: a state with 2,000 files stays below it. */
export const frameBytesMax = 1024 * 1024;

/** Connections at once. Each half of the agent needs one, a person at the machine a few. */
export const connectionsMax = 32;

/** Connections of the network half at once, so that root always finds one free. */
export const networkConnectionsMax = 8;

/** A frame that was begun must be whole by then, in milliseconds. */
export const frameDeadlineMs = 10_000;

/** A connection that asks nothing for so long is closed, in milliseconds. */
export const idleDeadlineMs = 10 * 60_000;

/** Requests of the network half in a second, on average; and how many may come in one burst. */
export const networkRequestsPerSecond = 50;
export const networkRequestsBurst = 200;

/** Requests that came before the one in work was answered, on one connection. */
export const requestsWaitingMax = 4;

/** Events that one answer brings. */
export const eventsAnswerMax = 500;

/** Events that are kept for a network half that does not ask; the oldest go first. */
export const eventsKeptMax = 10_000;

/** Characters in a text that came from elsewhere and is shown or recorded. */
export const textMax = 1000;

/** Files that processes map, in one inventory: a desktop with everything open has about 1,500. */
export const mappedFilesMax = 4000;

/** Processes that are looked at. */
export const processesMax = 20_000;

/** Processes of one component that one inventory names; all of them are patched. */
export const processesShownMax = 50;

/** Bytes of `/proc/PID/maps` that are read: 65,530 mappings are the kernel's default maximum. */
export const mapsBytesMax = 32 * 1024 * 1024;

/** Bytes of program headers and of notes of one ELF file. */
export const elfHeaderBytesMax = 64 * 1024;

/** The canonical text of an assignment. */
export const assignmentBytesMax = 512 * 1024;

/** The policy file, and each of the agent's other settings. */
export const settingsBytesMax = 256 * 1024;

/** One record of the journal or of the audit log. */
export const recordBytesMax = 64 * 1024;

/** A journal of this size is written anew with what still matters. */
export const journalBytesMax = 4 * 1024 * 1024;

/** Output of a program that is kept as evidence, in bytes. */
export const outputBytesMax = 16 * 1024;

/** Bytes of a log file that one look takes; what lies before them is left out. */
export const logBytesMax = 256 * 1024;

/** How long the pattern may work on one look at a log, in milliseconds. */
export const patternTimeMs = 200;

/** How long engine.apply tries while threads are in the way, in milliseconds. */
export const applyTimeoutMs = 5000;

/** A free disk has at least so many bytes: one hotpatch, and the journal's next records. */
export const freeBytesMin = 64 * 1024 * 1024;
