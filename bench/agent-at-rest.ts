/**
 * What the agent costs a machine on which nothing happens: the memory of both halves, and the share
 * of a processor that they use.
 *
 * Both halves map the same program file (Node, 50 MiB of it touched). `bothMiB` counts its pages
 * once, as the machine does; the resident sizes that ps(1) shows count them twice. The proportional
 * set size is no measure for this: it falls with every other program that runs on Node.
 *
 * A control plane with a channel of its own, and this machine enrolled with it. The agent sees all
 * processes of the machine; a hotpatch for none of them is in the channel. It is looked at once it
 * has settled.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startControlPlane } from "../test/e2e/control-plane.ts";
import { enrolThisMachine, halvesOf } from "../test/e2e/enrolled-machine.ts";
import { until } from "../test/e2e/until.ts";
import { openCleanUp } from "./clean-up.ts";
import { openMeasuredChannel } from "./fleet-server-channel.ts";
import { processorSeconds } from "./processor-time.ts";

export interface AgentAtRestReport {
  /** What is the half's own. */
  readonly executorPrivateMiB: number;
  readonly networkPrivateMiB: number;
  /** With what they share, once. */
  readonly bothMiB: number;
  /** The sum of what ps(1) shows. */
  readonly bothResidentMiB: number;
  readonly processorPercent: number;
  readonly executorProcessorPercent: number;
  readonly networkProcessorPercent: number;
  readonly seconds: number;
  /** Processes that the agent looks after. */
  readonly processes: number;
}

const READY_TIMEOUT_MS = 120_000;
const SETTLE_MS = 20_000;
const KIB = 1024;

/** Takes about two minutes. Throws where it does not run as root. */
export async function measureAgentAtRest(
  seconds: number,
  progress: (line: string) => void,
): Promise<AgentAtRestReport> {
  if (process.geteuid?.() !== 0) throw new Error("the executor half runs as root: sudo npm run …");
  const folder = mkdtempSync(join(tmpdir(), "suture-rest-"));
  const cleanUp = openCleanUp();
  cleanUp.add(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  try {
    const channel = join(folder, "channel");
    const measured = await openMeasuredChannel(channel, "0".repeat(40));
    await measured.publishHotpatch("0".repeat(40));
    const control = await startControlPlane({ folder: join(folder, "control"), channel });
    cleanUp.add(control.kill);
    const admin = await control.as("admin");
    const body = { name: "measured", tags: [], validHours: 1, usesMax: 1 };
    const { token } = await admin("createEnrolmentToken", { body });
    const machine = await enrolThisMachine({
      stage: { folder, say: progress },
      ...{ server: control.url, token, signal: new AbortController().signal },
      channelRoot: join(channel, "public/metadata/1.root.json"),
      allProcesses: true,
    });
    cleanUp.add(machine.agent.kill);
    const device = await until("this machine is ready", READY_TIMEOUT_MS, async () => {
      const found = await admin("device", { params: { id: machine.deviceId } });
      return found.components.length > 0 ? found : undefined;
    });
    const processes = device.components.reduce((most, found) => Math.max(most, found.processes), 0);
    progress(`${device.components.length} components; it settles for ${SETTLE_MS / 1000} s`);
    await sleep(SETTLE_MS);
    return { ...(await watch(machine.agent.pid, seconds)), processes };
  } finally {
    cleanUp.close();
  }
}

async function watch(
  agentPid: number,
  seconds: number,
): Promise<Omit<AgentAtRestReport, "processes">> {
  const halves = halvesOf(agentPid);
  const used = (): Map<string, number> =>
    new Map(halves.map(({ half, pid }) => [half, processorSeconds(pid)]));
  const [before, begin] = [used(), performance.now()];
  await sleep(seconds * 1000);
  const [after, elapsed] = [used(), (performance.now() - begin) / 1000];
  const percentOf = (half: string): number =>
    round2((100 * ((after.get(half) ?? 0) - (before.get(half) ?? 0))) / elapsed);
  const kibOf = (half: string, field: string): number => {
    const { pid } = halves.find((found) => found.half === half) ?? {};
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]);
  };
  const privateOf = (half: string): number =>
    kibOf(half, "Private_Clean") + kibOf(half, "Private_Dirty");
  const sharedOf = (half: string): number =>
    kibOf(half, "Shared_Clean") + kibOf(half, "Shared_Dirty");
  const [executor, network] = [privateOf("executor"), privateOf("network")];
  const shared = Math.max(sharedOf("executor"), sharedOf("network"));
  const resident = kibOf("executor", "Rss") + kibOf("network", "Rss");
  const [executorPercent, networkPercent] = [percentOf("executor"), percentOf("network")];
  return {
    executorPrivateMiB: round1(executor / KIB),
    networkPrivateMiB: round1(network / KIB),
    bothMiB: round1((executor + network + shared) / KIB),
    bothResidentMiB: round1(resident / KIB),
    processorPercent: round2(executorPercent + networkPercent),
    executorProcessorPercent: executorPercent,
    networkProcessorPercent: networkPercent,
    seconds: Math.round(elapsed),
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const round1 = (value: number): number => Math.round(value * 10) / 10;
const round2 = (value: number): number => Math.round(value * 100) / 100;
