/** An executor for tests of the network half: the real frames on a real socket, and no processes. */
import { chmodSync, mkdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import type { ComponentFacts, DeviceEvent, DeviceFacts, TargetProgress } from "@suture/contract";
import { createFrameDecoder, encodeFrame } from "../frames.ts";
import type { AssignmentRequest, ChannelState, Phase } from "../messages.ts";

export interface TestExecutor {
  facts: DeviceFacts;
  progress: TargetProgress[];
  readonly events: DeviceEvent[];
  readonly assignments: AssignmentRequest[];
  /** How often it was told that the spool has changed. */
  channelChanges: number;
  channel: ChannelState;
  /** Refuses assignments with this code. */
  refuses: string | undefined;
  assignmentSerial: number;
  phase: Phase;
  /** Tells those who wait that something is different. */
  readonly changed: () => void;
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

export const testComponent = (change: Partial<ComponentFacts> = {}): ComponentFacts => ({
  file: "/usr/bin/redis-server",
  buildId: "b2bcad6d23563e10222dc42e7a9b0e07f5c56033",
  processes: 1,
  outdatedProcesses: 0,
  hotpatchedProcesses: 0,
  ...change,
});

export const testFacts = (change: Partial<DeviceFacts> = {}): DeviceFacts => ({
  hostname: "machine",
  system: "Debian GNU/Linux 12 (bookworm)",
  kernel: "6.1.0",
  processor: "x64",
  agentVersion: "0.1.0",
  readiness: "ready",
  findings: [],
  components: [testComponent()],
  ...change,
});

export const testEvent = (serial: number): DeviceEvent => ({
  serial,
  at: "2026-11-22T10:00:00.000Z",
  kind: "applied",
  detail: `event ${serial}`,
});

export async function startTestExecutor(socketPath: string): Promise<TestExecutor> {
  mkdirSync(dirname(socketPath), { recursive: true });
  const sockets = new Set<Socket>();
  const waiters = new Set<() => void>();
  const conditions = new Set<() => void>();
  let change = 1;
  const serials = () => ({
    assignment: executor.assignmentSerial,
    event: executor.events.at(-1)?.serial ?? 0,
    change,
  });
  const notice = (): void => {
    change += 1;
    for (const wake of [...waiters]) wake();
    waiters.clear();
  };
  const answerTo = async (fields: Readonly<Record<string, unknown>>): Promise<object> => {
    const { phase } = executor;
    switch (fields.request) {
      case "hello":
        return { answer: { protocol: 1, version: "test", phase, serials: serials() } };
      case "state": {
        if (fields.known === change) {
          const waitMs = Number(fields.waitSeconds ?? 0) * 1000;
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, waitMs);
            waiters.add(() => {
              clearTimeout(timer);
              resolve();
            });
          });
        }
        const { channel, facts, progress } = executor;
        const isSame = fields.known === change;
        const state = { phase, serials: serials(), channel };
        return { answer: isSame ? state : { ...state, facts, progress } };
      }
      case "events": {
        const after = Number(fields.after);
        const events = executor.events.filter(({ serial }) => serial > after);
        const countMax = Number(fields.countMax ?? 100);
        return { answer: { events: events.slice(0, countMax), last: serials().event } };
      }
      case "assignment": {
        if (executor.refuses !== undefined) {
          return { error: { code: executor.refuses, message: "refused", next: "n" } };
        }
        executor.assignments.push(fields as unknown as AssignmentRequest);
        const { serial } = JSON.parse(String(fields.document)) as { serial: number };
        executor.assignmentSerial = serial;
        notice();
        return { answer: { serial } };
      }
      case "channel-changed":
        executor.channelChanges += 1;
        return { answer: executor.channel };
      case "reload":
        return { answer: { phase } };
      default:
        return { error: { code: "request-unknown", message: String(fields.request), next: "n" } };
    }
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    const decoder = createFrameDecoder();
    socket.on("data", async (bytes) => {
      for (const fields of decoder.push(bytes)) {
        const answer = await answerTo(fields);
        if (!socket.destroyed) socket.write(encodeFrame(answer));
        for (const look of [...conditions]) look();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  // A network half of another user asks it, too.
  chmodSync(socketPath, 0o666);
  const executor: TestExecutor = {
    facts: testFacts(),
    progress: [],
    events: [],
    assignments: [],
    channelChanges: 0,
    channel: {},
    refuses: undefined,
    assignmentSerial: 0,
    phase: "managed",
    changed: notice,
    until: (condition) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!condition()) return;
          conditions.delete(look);
          resolve();
        };
        conditions.add(look);
        look();
      }),
    close: async () => {
      for (const wake of [...waiters]) wake();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return executor;
}
