/**
 * The executor's end of the local socket: who connects, how much they may send, and the table of
 * requests. Nothing that comes in is looked at before it is parsed, and no connection can make the
 * executor hold more than one frame, or wait for it for ever.
 */
import { chmodSync, chownSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { PeerCredentials } from "@suture/engine";
import { RELEASE_PROBLEMS, ReleaseError } from "@suture/release";
import { AGENT_PROBLEMS, AgentError } from "../errors.ts";
import { type Fields, isObject, printable } from "../fields.ts";
import { createFrameDecoder, encodeFrame } from "../frames.ts";
import {
  connectionsMax,
  frameDeadlineMs,
  idleDeadlineMs,
  networkConnectionsMax,
  networkRequestsBurst,
  networkRequestsPerSecond,
  requestsWaitingMax,
} from "../limits.ts";
import {
  type AnswerOf,
  Phase,
  REQUESTS,
  type RequestName,
  type RequestOf,
  requestNameOf,
  Sender,
} from "../protocol.ts";
import { createRateLimit, type RateLimit } from "./rate-limit.ts";

export type Handlers = {
  readonly [Name in RequestName]: (
    request: RequestOf<Name>,
    /** Ends when whoever asked has gone. */
    gone: AbortSignal,
  ) => Promise<AnswerOf<Name>> | AnswerOf<Name>;
};

export interface SocketServerOptions {
  readonly path: string;
  /** The network half's user; without it root alone is let in. */
  readonly network: { readonly uid: number; readonly gid: number } | undefined;
  readonly handlers: Handlers;
  readonly phase: () => Phase;
  readonly peerOf: (fd: number) => PeerCredentials | undefined;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
  /** A fault of ours, which the sender is told nothing of. */
  readonly onBug: (error: unknown) => void;
}

export interface SocketServer {
  readonly close: () => Promise<void>;
}

/** Listens. Whatever lay at the path is replaced: the folder is root's. */
export async function openSocketServer(options: SocketServerOptions): Promise<SocketServer> {
  const { path, network } = options;
  const connections = new Set<Socket>();
  const ofNetwork = new Set<Socket>();
  const rate = createRateLimit(
    { perSecond: networkRequestsPerSecond, burst: networkRequestsBurst },
    options.clock,
  );
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    const sender = senderOf(socket, options);
    if (sender === undefined) {
      refuse(socket, new AgentError("sender-not-permitted", "connection", "another user"));
      return;
    }
    const isNetwork = sender === Sender.network;
    const isFull = connections.size >= connectionsMax - (isNetwork ? networkConnectionsMax : 0);
    if (isFull || (isNetwork && ofNetwork.size >= networkConnectionsMax)) {
      refuse(socket, new AgentError("too-many-connections", "connection", `${connections.size}`));
      return;
    }
    connections.add(socket);
    if (isNetwork) ofNetwork.add(socket);
    socket.once("close", () => {
      connections.delete(socket);
      ofNetwork.delete(socket);
    });
    serve(socket, { ...options, sender, rate: isNetwork ? rate : undefined });
  });
  await listen(server, path, network);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

async function listen(
  server: Server,
  path: string,
  network: SocketServerOptions["network"],
): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
  // The kernel's word on who connects is what counts; the mode keeps everybody else away sooner.
  if (network !== undefined) chownSync(path, 0, network.gid);
  chmodSync(path, 0o660);
}

/** By the user id that the kernel noted; a socket without one is nobody's. */
function senderOf(socket: Socket, { peerOf, network }: SocketServerOptions): Sender | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = isObject(handle) ? Reflect.get(handle, "fd") : undefined;
  const peer = typeof fd === "number" && fd >= 0 ? peerOf(fd) : undefined;
  if (peer === undefined) return undefined;
  if (peer.uid === 0) return Sender.root;
  return peer.uid === network?.uid ? Sender.network : undefined;
}

interface Serving extends SocketServerOptions {
  readonly sender: Sender;
  readonly rate: RateLimit | undefined;
}

function serve(socket: Socket, serving: Serving): void {
  const decoder = createFrameDecoder();
  const gone = new AbortController();
  const waiting: Fields[] = [];
  const state = { isGreeted: false, isBusy: false };
  let frameTimer: NodeJS.Timeout | undefined;
  const end = (error: AgentError): void => refuse(socket, error);
  const watchFrame = (): void => {
    clearTimeout(frameTimer);
    if (!decoder.isInside()) return;
    const late = () => end(new AgentError("frame-too-late", "frame", `${frameDeadlineMs} ms`));
    frameTimer = setTimeout(late, frameDeadlineMs);
  };
  const work = async (): Promise<void> => {
    if (state.isBusy) return;
    state.isBusy = true;
    for (let frame = waiting.shift(); frame !== undefined; frame = waiting.shift()) {
      const answer = await answerOf(serving, state, frame, gone.signal);
      if (socket.destroyed) return;
      // Whoever does not read what was answered is not asked for more.
      if (!socket.write(answer)) await drained(socket);
    }
    state.isBusy = false;
  };
  socket.on("close", () => {
    clearTimeout(frameTimer);
    gone.abort();
  });
  socket.setTimeout(idleDeadlineMs, () => socket.destroy());
  socket.on("data", (bytes) => {
    try {
      waiting.push(...decoder.push(bytes));
      if (waiting.length > requestsWaitingMax) {
        throw new AgentError("too-many-requests", "connection", `${waiting.length} wait`);
      }
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      end(error);
      return;
    }
    watchFrame();
    work().catch(serving.onBug);
  });
  socket.resume();
}

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", () => resolve());
  });

async function answerOf(
  serving: Serving,
  state: { isGreeted: boolean },
  frame: Fields,
  gone: AbortSignal,
): Promise<Uint8Array> {
  try {
    if (serving.rate?.take() === false) {
      throw new AgentError("too-many-requests", "connection", "more than the rate");
    }
    const name = requestNameOf(frame);
    checkPermitted(serving, state, name);
    const answer = await handle(serving.handlers, name, frame, gone);
    state.isGreeted = true;
    return encodeFrame({ answer });
  } catch (error) {
    return errorFrame(error, serving.onBug);
  }
}

function checkPermitted(
  { sender, phase }: Serving,
  { isGreeted }: { readonly isGreeted: boolean },
  name: RequestName,
): void {
  const { senders, phases } = REQUESTS[name];
  if (!senders.includes(sender)) throw new AgentError("sender-not-permitted", name, sender);
  const now = isGreeted ? phase() : Phase.greeting;
  if (!phases.includes(now)) throw new AgentError("wrong-phase", name, now);
}

function handle<Name extends RequestName>(
  handlers: Handlers,
  name: Name,
  frame: Fields,
  gone: AbortSignal,
): Promise<AnswerOf<Name>> | AnswerOf<Name> {
  return handlers[name](REQUESTS[name].parse(frame), gone);
}

function refuse(socket: Socket, error: AgentError): void {
  socket.end(errorFrame(error, () => {}));
  // Whoever does not read the answer is not waited for.
  setTimeout(() => socket.destroy(), 1000).unref();
}

function errorFrame(error: unknown, onBug: (error: unknown) => void): Uint8Array {
  const known = knownError(error);
  if (known === undefined) onBug(error);
  const { code, message, next } = known ?? {
    code: "fault",
    message: "a fault of the executor",
    next: "look into its log, and report it",
  };
  return encodeFrame({ error: { code, message: printable(message), next: printable(next) } });
}

function knownError(error: unknown): { code: string; message: string; next: string } | undefined {
  if (error instanceof AgentError) {
    const { code, message } = error;
    return { code, message, next: AGENT_PROBLEMS[code].next };
  }
  if (error instanceof ReleaseError) {
    const { code, message } = error;
    return { code, message, next: RELEASE_PROBLEMS[code].next };
  }
  return undefined;
}
