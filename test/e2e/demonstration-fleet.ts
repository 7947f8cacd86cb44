/** The demonstration's fleet: three rings, this machine in the first, simulated devices in each. */
import { type Answer, type Call, POLICY_DEFAULT, type RingDraft } from "@suture/contract";
import type { ControlPlane } from "./control-plane.ts";
import { type EnrolledMachine, enrolThisMachine } from "./enrolled-machine.ts";
import type { Play } from "./play.ts";
import { openSimulatedFleet, type SimulatedFleet } from "./simulated-fleet.ts";
import { until } from "./until.ts";

export interface DemonstrationFleet {
  readonly machine: EnrolledMachine;
  readonly simulated: SimulatedFleet;
  readonly ringIds: readonly string[];
  readonly devices: number;
}

/** Every device of a ring has to have it before the next one begins. */
export const GATES = {
  successThreshold: 1,
  errorThreshold: 0.05,
  soakHours: 0,
  approval: false,
};

const day = { deferralDays: 0, deadlineDays: 0, graceDays: 0 };
const RINGS: readonly { readonly draft: RingDraft; readonly simulated: number }[] = [
  { draft: { name: "Test", kind: "test", order: 0, ...day }, simulated: 2 },
  { draft: { name: "Ring 1", kind: "ring", order: 1, ...day }, simulated: 3 },
  { draft: { name: "Last", kind: "last", order: 2, ...day }, simulated: 4 },
];

/** Three rings that wait for nothing but each other, and a policy with a short health watch. */
export async function setUpRings(control: ControlPlane): Promise<readonly string[]> {
  const author = await control.as("author");
  const present = await author("rings");
  for (const { id, name } of present) {
    if (!RINGS.some(({ draft }) => draft.name === name)) {
      await author("removeRing", { params: { id } });
    }
  }
  const ids: string[] = [];
  for (const { draft } of RINGS) {
    const known = present.find(({ name }) => name === draft.name);
    const ring = known
      ? await author("changeRing", { params: { id: known.id }, body: draft })
      : await author("createRing", { body: draft });
    ids.push(ring.id);
  }
  await author("createPolicy", {
    body: {
      name: "Demonstration",
      description: "Hotpatches at once, no restart, and a watch that looks for leaks.",
      groupIds: [],
      precedence: 100,
      settings: {
        ...POLICY_DEFAULT,
        restart: "never",
        fallback: false,
        health: { hours: 0.05, memoryRatioMax: 2 },
      },
      gates: GATES,
    },
  });
  return ids;
}

export interface FleetOptions {
  readonly play: Play;
  readonly control: ControlPlane;
  readonly ringIds: readonly string[];
  readonly channelRoot: string;
  readonly component: { readonly file: string; readonly buildId: string };
}

/** Enrols this machine and the simulated ones, and waits until the control plane knows them all. */
export async function enrolFleet(options: FleetOptions): Promise<DemonstrationFleet> {
  const { play, control, ringIds, component } = options;
  const { stage, undo, signal, witnesses } = play;
  const admin = await control.as("admin");
  const tokenFor = async (ring: number, usesMax: number): Promise<string> => {
    const name = `${RINGS[ring]?.draft.name} of the demonstration`;
    const body = { name, tags: ["demonstration"], validHours: 1, usesMax };
    const ringId = ringIds[ring];
    return (await admin("createEnrolmentToken", { body: { ...body, ...(ringId && { ringId }) } }))
      .token;
  };
  const machine = await enrolThisMachine({
    ...{ stage, signal, server: control.url, channelRoot: options.channelRoot },
    token: await tokenFor(0, 1),
  });
  undo.push(machine.agent.kill);
  witnesses.push(() => `the agent said last:\n${machine.agent.said()}`);
  const simulated = openSimulatedFleet();
  undo.push(simulated.kill);
  let devices = 1;
  for (const [ring, { draft, simulated: count }] of RINGS.entries()) {
    const name = draft.name.toLowerCase().replace(" ", "-");
    await simulated.enrol({
      server: control.url,
      token: await tokenFor(ring, count),
      hostnames: Array.from({ length: count }, (_, index) => `${name}-${index + 1}.example`),
      components: [
        {
          ...{ file: `/${component.file}`, buildId: component.buildId, processes: 1 },
          ...{ outdatedProcesses: 0, hotpatchedProcesses: 0 },
        },
      ],
    });
    devices += count;
  }
  await simulated.follow();
  return { machine, simulated, ringIds, devices };
}

/** Waits until this machine is ready and has told of the program. */
export async function awaitReady(
  viewer: Call,
  { machine }: DemonstrationFleet,
  buildId: string,
): Promise<Answer<"device">> {
  return await until("this machine is ready", 60_000, async () => {
    const device = await viewer("device", { params: { id: machine.deviceId } });
    const isThere = device.components.some((component) => component.buildId === buildId);
    return device.readiness === "ready" && isThere ? device : undefined;
  });
}
