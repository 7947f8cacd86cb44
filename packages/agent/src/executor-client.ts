/** Asking the executor: what the network half and the command line use. */
import { connect, type Socket } from "node:net";
import { AgentError } from "./errors.ts";
import { type Fields, isObject, printable } from "./fields.ts";
import { createFrameDecoder, encodeFrame } from "./frames.ts";
import {
  type AnswerOf,
  type HelloAnswer,
  PROTOCOL_VERSION,
  REQUESTS,
  type RequestName,
  type RequestOf,
} from "./protocol.ts";

/** A no of the executor; `code` is one of AGENT_PROBLEMS or of the release client. */
export class ExecutorRefusal extends Error {
  override readonly name = "ExecutorRefusal";
  readonly code: string;
  readonly next: string;

  constructor(code: string, message: string, next: string) {
    super(message);
    this.code = code;
    this.next = next;
  }
}

export interface ExecutorConnection {
  readonly hello: HelloAnswer;
  /**
   * Sends one request and waits for its answer; a second one waits for the first.
   *
   * Throws ExecutorRefusal for a no, and AgentError `not-running` or `answer-wrong`, after which
   * the connection is of no use any more.
   */
  readonly ask: <Name extends RequestName>(
    name: Name,
    request: RequestOf<Name>,
  ) => Promise<AnswerOf<Name>>;
  readonly close: () => void;
}

/** Connects and says hello. Throws AgentError `not-running`, or ExecutorRefusal. */
export async function connectExecutor(socketPath: string): Promise<ExecutorConnection> {
  const socket = await connected(socketPath);
  const answers = answersOf(socket, socketPath);
  let last: Promise<unknown> = Promise.resolve();
  const ask = <Name extends RequestName>(name: Name, request: RequestOf<Name>) => {
    const answer = last.then(async () => {
      socket.write(encodeFrame({ request: name, ...request }));
      // The executor is root's: its answers are typed by the protocol, not checked again.
      return (await answers.next(name, REQUESTS[name].deadlineMs)) as AnswerOf<Name>;
    });
    last = answer.catch(() => {});
    return answer;
  };
  try {
    const hello = await ask("hello", { protocol: PROTOCOL_VERSION });
    return { hello, ask, close: () => socket.destroy() };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** One request on a connection of its own. */
export async function askExecutor<Name extends RequestName>(
  socketPath: string,
  name: Name,
  request: RequestOf<Name>,
): Promise<AnswerOf<Name>> {
  const connection = await connectExecutor(socketPath);
  try {
    return await connection.ask(name, request);
  } finally {
    connection.close();
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (cause) => {
      reject(new AgentError("not-running", path, cause.message, { cause }));
    });
  });
}

interface Waiting {
  readonly take: (fields: Fields) => void;
  readonly fail: (error: Error) => void;
}

function answersOf(socket: Socket, path: string) {
  const decoder = createFrameDecoder();
  let waiting: Waiting | undefined;
  let ended: Error | undefined;
  const end = (error: Error): void => {
    ended ??= error;
    waiting?.fail(ended);
    waiting = undefined;
    socket.destroy();
  };
  const notRunning = (found: string): AgentError => new AgentError("not-running", path, found);
  socket.on("error", (error) => end(notRunning(error.message)));
  socket.on("close", () => end(notRunning("it closed the connection")));
  socket.on("data", (bytes) => {
    try {
      for (const frame of decoder.push(bytes)) {
        waiting?.take(frame);
        waiting = undefined;
      }
    } catch (cause) {
      end(new AgentError("answer-wrong", path, String(cause), { cause }));
    }
  });
  return {
    next: (name: string, deadlineMs: number): Promise<unknown> =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        const timer = setTimeout(() => end(notRunning(`no answer to ${name}`)), deadlineMs);
        waiting = {
          take: (fields) => {
            clearTimeout(timer);
            if ("answer" in fields) resolve(fields.answer);
            else reject(refusalOf(fields, path));
          },
          fail: (error) => {
            clearTimeout(timer);
            reject(error);
          },
        };
      }),
  };
}

function refusalOf({ error }: Fields, path: string): Error {
  if (!isObject(error)) return new AgentError("answer-wrong", path, "neither answer nor error");
  const { code, message, next } = error;
  const text = (value: unknown): string => printable(typeof value === "string" ? value : "");
  return new ExecutorRefusal(text(code), text(message), text(next));
}
