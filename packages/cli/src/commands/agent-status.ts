/** The agent's part of `suture status`, where an agent runs. */
import type { StatusAnswer } from "@suture/agent";
import type { Arguments, Context } from "../command.ts";
import { type Block, line, table } from "../outcome.ts";
import { rootOf } from "./agent-request.ts";
import { channelLines } from "./agent-show.ts";

/** What the agent says, or undefined where none can be asked. */
export async function agentStatus(
  args: Arguments,
  context: Context,
): Promise<StatusAnswer | undefined> {
  const parts = await context.agent();
  try {
    const { socket } = parts.foldersBelow(rootOf(args));
    return await parts.askExecutor(socket, "status", {});
  } catch (error) {
    if (error instanceof parts.AgentError || error instanceof parts.ExecutorRefusal) return;
    throw error;
  }
}

export function agentBlocks(status: StatusAnswer): Block[] {
  const { phase, deviceId, paused, assignment, channel, components, watching } = status;
  const device = deviceId === undefined ? "" : `, device ${deviceId}`;
  const asked =
    assignment === undefined
      ? ""
      : `, assignment ${assignment.serial} until ${assignment.expiresAt}`;
  return [
    line(`agent: ${phase}${device}${asked}${paused ? ", PAUSED by the control plane" : ""}`),
    ...channelLines(channel),
    ...(components.length === 0 ? [] : [componentTable(components)]),
    ...watching.map(({ hotpatch, pids, until }) =>
      line(`watching ${hotpatch} in ${pids.join(" ")} until ${until}`),
    ),
  ];
}

const componentTable = (components: StatusAnswer["components"]): Block =>
  table(
    [
      { title: "FILE", cutTo: 16 },
      { title: "VERSION", cutTo: 10 },
      { title: "HOTPATCHED", align: "right" },
      { title: "HOTPATCH", cutTo: 14 },
      { title: "STATE" },
      { title: "WHY", cutTo: 16 },
    ],
    components.map((component) => [
      component.file,
      component.version ?? "-",
      `${component.hotpatchedProcesses}/${component.processes}`,
      component.hotpatch ?? "-",
      component.compliance,
      component.reason,
    ]),
  );
