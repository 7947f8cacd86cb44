/** Every reason for which the agent says no or fails, in one table. */

interface AgentProblemRow {
  readonly meaning: string;
  /** What whoever sees it does now. */
  readonly next: string;
  /** How a request ends: `refused` where nothing is broken but the request or its moment. */
  readonly outcome: "failed" | "refused";
}

const refused = (meaning: string, next: string): AgentProblemRow => ({
  outcome: "refused",
  meaning,
  next,
});
const failed = (meaning: string, next: string): AgentProblemRow => ({
  outcome: "failed",
  meaning,
  next,
});

const mendRequest = "mend the request; docs/protocol.md describes it";
const askServer = "let the control plane sign a new assignment for this device";

export const AGENT_PROBLEMS = {
  "frame-too-large": refused("a frame is longer than it may be", mendRequest),
  "frame-not-json": refused("a frame is not one JSON object in UTF-8", mendRequest),
  "frame-too-late": refused("a frame did not come to its end in time", "connect again"),
  "request-unknown": refused("there is no such request", mendRequest),
  "request-field": refused(
    "a field of the request is missing, unknown or not what it must be",
    mendRequest,
  ),
  "sender-not-permitted": refused(
    "this user may not send the request",
    "send it as root, or let the network half send it",
  ),
  "wrong-phase": refused("the request is not permitted in this phase", "ask for: status"),
  "too-many-requests": refused("there are more requests than the executor takes", "wait a second"),
  "too-many-connections": refused(
    "there are more connections than the executor takes",
    "close those that are not needed",
  ),
  "not-running": failed(
    "the executor cannot be reached",
    "start it: systemctl start suture-executor",
  ),
  "answer-wrong": failed(
    "the executor's answer is not what it must be",
    "run both halves of the agent from one version",
  ),
  "not-registered": refused(
    "this device has neither a policy nor a control plane",
    "write /etc/suture/policy.json, or enrol the device: suture agent enroll",
  ),
  "assignment-field": refused("a field of the assignment is not what it must be", askServer),
  "assignment-key": refused(
    "the assignment is signed with a key that this device does not know",
    "enrol the device again if the control plane has a new key",
  ),
  "assignment-signature": refused("the assignment's signature is wrong", askServer),
  "assignment-device": refused("the assignment is for another device", askServer),
  "assignment-serial": refused("the assignment is older than the one in force", askServer),
  "assignment-expired": refused("the assignment's time is over", askServer),
  "target-not-allowed": refused(
    "neither the policy nor the assignment allows this target",
    "look at: suture show --available",
  ),
  "target-unknown": refused(
    "the channel has no such target for anything that runs here",
    "look at: suture show --available",
  ),
  "not-applied": refused("this hotpatch is not applied here", "look at: suture status"),
  "channel-missing": refused(
    "no release channel was verified yet",
    "wait for the network half, or look at: suture readiness",
  ),
  "hotpatch-wrong": failed(
    "the hotpatch file is not what its signed description says",
    "tell the publisher; the traditional update remains",
  ),
  "settings-field": refused("a field of the settings is not what it must be", "mend the file"),
  "journal-damaged": failed(
    "the journal is damaged before its end",
    "it was set aside; what runs is read from the processes",
  ),
  "audit-damaged": failed(
    "the audit log is not the one that was written",
    "keep the file, and find out who changed it",
  ),
  "disk-full": failed("the disk has no room for the journal", "make room below /var/lib/suture"),
} as const satisfies Readonly<Record<string, AgentProblemRow>>;

export type AgentProblem = keyof typeof AGENT_PROBLEMS;

/** Why the agent said no or failed. `subject` names the file, field or thing; `found` the fact. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly code: AgentProblem;
  readonly subject: string;
  readonly found: string;

  constructor(code: AgentProblem, subject: string, found: string, options?: ErrorOptions) {
    super(`${subject}: ${AGENT_PROBLEMS[code].meaning} (${found})`, options);
    this.code = code;
    this.subject = subject;
    this.found = found;
  }
}
