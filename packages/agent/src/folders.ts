/** Where the agent keeps what: one table for both halves, the command line and the unit files. */
import { join } from "node:path";

/** Files and folders below one root, so that several agents can run on one machine. */
export interface AgentFolders {
  /** Root's: server, channel, control key. Written by `suture agent enroll` (settings.ts). */
  readonly settings: string;
  /** Root's: the policy of a machine without a control plane. */
  readonly policy: string;
  /** Root's: the channel's root, pinned at enrolment. */
  readonly channelRoot: string;
  /** The executor's socket. */
  readonly socket: string;
  /** The executor's state, for root alone: journal, audit log, what its release client trusts. */
  readonly executor: string;
  /** The network half's state, for its user alone: device key, serials, what it knows was sent. */
  readonly network: string;
  /** Files of the channel. The network half writes, the executor reads and believes nothing. */
  readonly spool: string;
}

/** `root` is `/` for the machine's own agent. */
export const foldersBelow = (root: string): AgentFolders => ({
  settings: join(root, "etc/suture/agent.json"),
  policy: join(root, "etc/suture/policy.json"),
  channelRoot: join(root, "etc/suture/channel-root.json"),
  socket: join(root, "run/suture/executor.sock"),
  executor: join(root, "var/lib/suture/executor"),
  network: join(root, "var/lib/suture/network"),
  spool: join(root, "var/lib/suture/spool"),
});
