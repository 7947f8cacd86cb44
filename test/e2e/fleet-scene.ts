/** Three machines in one: agents with folders of their own, each with a program that runs. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Answer, Call } from "@suture/contract";
import { POLICY_DEFAULT } from "@suture/contract";
import { buildId, parseElf } from "@suture/engine";
import { createTestChannel } from "../../packages/agent/src/network/channel-fixture.ts";
import { openWorkshop, type Victim } from "../live/victim.ts";
import { type BackgroundCommand, startBackground } from "./background-command.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { problemOf, runSuture } from "./suture-command.ts";
import { until } from "./until.ts";

const nobody = "65534:65534";
const product = "worker";

/** Calls value() a thousand times a second and says what it gives when that changes. */
const program = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static volatile int more = 1;
__attribute__((noinline, noclone)) int value(int x) { return x + more; }
int main(void) {
  int last = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("ready %d\\n", getpid());
  for (;;) {
    int seen = value(1);
    if (seen != last) printf("value %d\\n", seen);
    last = seen;
    usleep(1000);
  }
}
`;

/** What value(1) gives: as it is, with the hotpatch that leaks, and with the one that does not. */
export const values = { original: 2, leaking: 51, fixed: 101 } as const;

const leaking = `
#include <stdlib.h>
#include <string.h>
int value(int x) {
  char *lost = malloc(16384);
  memset(lost, 1, 16384);
  __asm__ volatile("" : : "r"(lost) : "memory");
  return x + 50;
}
`;
const fixed = "int value(int x) { return x + 100; }";

export interface Machine {
  readonly name: string;
  readonly root: string;
  readonly deviceId: string;
  readonly victim: Victim;
  agent: BackgroundCommand;
  /** Starts its agent again after it was ended or killed. */
  readonly startAgent: () => void;
}

export interface Fleet {
  /** The server that runs now. */
  readonly plane: () => ControlPlane;
  /** SIGKILL; the next one has the same address and database. */
  readonly killServer: () => void;
  readonly startServer: () => Promise<void>;
  readonly machines: readonly Machine[];
  readonly ringIds: readonly string[];
  /** Adds the hotpatch to the channel; gives its target. */
  readonly publish: (which: "leaking" | "fixed") => Promise<string>;
  /** Drafted, submitted and approved: it runs. */
  readonly rollOut: (name: keyof typeof SOAK_SECONDS, target: string) => Promise<string>;
  readonly rollout: (id: string) => Promise<Answer<"rollout">>;
  readonly viewer: () => Promise<Call>;
  readonly end: () => Promise<void>;
}

/** An agent looks at the health of its processes every five seconds. */
const SOAK_SECONDS = { leaking: 60, fixed: 1 } as const;
/** Three seconds of watch. */
const watchHours = 3 / 3600;
const gatesOf = (which: keyof typeof SOAK_SECONDS) => ({
  ...{ successThreshold: 1, errorThreshold: 0, approval: false },
  soakHours: SOAK_SECONDS[which] / 3600,
});

/** A server on this database, a machine in the first ring and two in the second. */
export async function openFleet(databaseUrl: string | undefined): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), "suture-fleet-"));
  // The network halves have to reach their own folders below.
  chmodSync(folder, 0o711);
  const workshop = openWorkshop();
  const undo: (() => Promise<void> | void)[] = [
    () => rmSync(folder, { recursive: true, force: true }),
    () => workshop.close(),
    () => workshop.endVictims(),
  ];
  const end = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const binary = workshop.compile(product, program);
    const channel = await createTestChannel({
      folder: join(folder, "channel"),
      buildId: buildId(parseElf(readFileSync(binary))) ?? "",
      now: new Date(),
      product,
    });
    writeFileSync(join(folder, "root.json"), channel.root);
    const serverOptions = {
      folder: join(folder, "server"),
      channel: join(folder, "channel"),
      ...(databaseUrl !== undefined && { databaseUrl }),
    };
    let plane = await startControlPlane(serverOptions);
    const { port } = new URL(plane.url);
    undo.push(() => plane.end());
    const ringIds = await setUpRings(await plane.as("author"));
    const machines: Machine[] = [];
    for (const [name, ring] of [
      ["first", 0],
      ["second", 1],
      ["third", 1],
    ] as const) {
      const token = await tokenFor(plane, ringIds[ring] ?? "");
      const machine = await setUpMachine({ folder, name, binary, token, plane, workshop });
      undo.push(() => machine.agent.end());
      machines.push(machine);
    }
    const viewer = async (): Promise<Call> => await plane.as("viewer");
    let sequence = 0;
    return {
      ...{ machines, ringIds, viewer, end },
      plane: () => plane,
      killServer: () => plane.kill(),
      async startServer() {
        plane = await startControlPlane({ ...serverOptions, port });
      },
      async publish(which) {
        sequence += 1;
        const source = which === "leaking" ? leaking : fixed;
        const { bytes } = workshop.makeHotpatch({
          ...{ binary, source, functions: ["value"], id: `${product}-${sequence}`, sequence },
          dynamic: ["malloc", "memset"],
        });
        await channel.publishHotpatch(sequence, bytes);
        return channel.targetOf(sequence);
      },
      async rollOut(name, target) {
        const author = await plane.as("author");
        await author("refreshCatalog");
        const gates = gatesOf(name);
        const body = { name, target, ringIds: [...ringIds], groupIds: [], gates };
        const { id } = await author("createRollout", { body });
        await author("actOnRollout", { params: { id }, body: { action: "submit" } });
        const approver = await plane.as("approver");
        await approver("actOnRollout", { params: { id }, body: { action: "approve" } });
        return id;
      },
      rollout: async (id) => await (await viewer())("rollout", { params: { id } }),
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Two rings that wait for nothing but each other, and a short health watch. */
async function setUpRings(author: Call): Promise<readonly string[]> {
  for (const { id } of await author("rings")) await author("removeRing", { params: { id } });
  const day = { deferralDays: 0, deadlineDays: 0, graceDays: 0 };
  const test = await author("createRing", {
    body: { name: "Test", kind: "test", order: 0, ...day },
  });
  const last = await author("createRing", {
    body: { name: "Last", kind: "last", order: 1, ...day },
  });
  const settings = {
    ...POLICY_DEFAULT,
    fallback: false,
    restart: "never" as const,
    health: { hours: watchHours, memoryRatioMax: 2 },
  };
  const body = {
    name: "Short watch",
    groupIds: [],
    precedence: 100,
    settings,
    gates: gatesOf("fixed"),
  };
  await author("createPolicy", { body });
  return [test.id, last.id];
}

async function tokenFor(plane: ControlPlane, ringId: string): Promise<string> {
  const admin = await plane.as("admin");
  const body = { name: "fleet", tags: [], ringId, validHours: 1, usesMax: 1 };
  return (await admin("createEnrolmentToken", { body })).token;
}

interface MachineRequest {
  readonly folder: string;
  readonly name: string;
  readonly binary: string;
  readonly token: string;
  readonly plane: ControlPlane;
  readonly workshop: ReturnType<typeof openWorkshop>;
}

async function setUpMachine(request: MachineRequest): Promise<Machine> {
  const { folder, name, binary, token, plane, workshop } = request;
  const root = join(folder, name);
  const programs = join(root, "programs");
  mkdirSync(programs, { recursive: true });
  const path = join(programs, product);
  cpSync(binary, path);
  const victim = await workshop.start(path);
  const enrolment = await runSuture([
    ...["agent", "enroll", "--server", plane.url, "--token", token],
    ...["--channel-root", join(folder, "root.json"), "--root", root, "--user", nobody],
  ]);
  if (!enrolment.answer.ok) throw new Error(problemOf(enrolment));
  const start = (): BackgroundCommand =>
    startBackground({
      args: [
        ...["agent", "run", "--root", root, "--user", nobody],
        ...["--start-within", "0", "--processes", programs],
      ],
      log: join(folder, `${name}.log`),
      nodeArgs: ["--single-threaded"],
    });
  const machine: Machine = {
    ...{ name, root, victim, deviceId: String(enrolment.answer.deviceId), agent: start() },
    startAgent: () => {
      machine.agent = start();
    },
  };
  return machine;
}

/** The processes of one half of its agent: one, or none while it is started again. */
export const pidsOfHalf = ({ root }: Machine, half: "executor" | "network"): number[] =>
  readdirSync("/proc").flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return [];
    const words = wordsOf(name);
    const isHalf = words.includes(half) && words[words.indexOf("--root") + 1] === root;
    return isHalf && words.includes("--half") ? [Number(name)] : [];
  });

function wordsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch (error) {
    const isGone = error instanceof Error && "code" in error;
    if (!isGone) throw error;
    return [];
  }
}

/** Waits until the program says this value: the oracle is the program itself. */
export const says = async ({ victim, name }: Machine, value: number): Promise<string> =>
  await within(60_000, `${name} says ${value}`, victim.nextLine(new RegExp(`^value ${value}$`)));

/** Waits until the rollout is in one of these states. */
export const untilRollout = async (
  fleet: Fleet,
  id: string,
  states: readonly Answer<"rollout">["state"][],
): Promise<Answer<"rollout">> => {
  let last: Answer<"rollout"> | undefined;
  return await until(`rollout ${states.join(" or ")}`, 120_000, async () => {
    last = await fleet.rollout(id);
    return states.includes(last.state) ? last : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}; it is ${JSON.stringify(last?.groups)}`, { cause: error });
  });
};

async function within<Value>(ms: number, what: string, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1000} s: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
