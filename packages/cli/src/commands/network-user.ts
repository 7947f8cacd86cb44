/** The user that the network half runs as. */
import type { AgentParts } from "../agent-parts.ts";
import type { Arguments, Context } from "../command.ts";
import { failed, type Outcome } from "../outcome.ts";
import { userOf } from "./agent-request.ts";

/**
 * Loads the network half, and becomes its user where root started this command: for good, and
 * before anything is read that others may write. So the code may lie where only root may read.
 * An outcome where that user is root.
 */
export async function becomeNetworkUser(
  args: Arguments,
  parts: AgentParts,
  context: Context,
): Promise<Outcome | undefined> {
  const load = async () => {
    await Promise.all([parts.loadNetworkHalf(), parts.loadHttpRequest()]);
  };
  await parts.beginCompiled(load);
  await load();
  if (parts.userId !== 0) return undefined;
  const user = userOf(args, context);
  if (user.uid === 0) {
    return failed("refused", {
      reason: "not-as-root",
      detail: "the network half does not run as root",
      next: "name its user: --user suture",
    });
  }
  parts.becomeUser(user);
  return undefined;
}
