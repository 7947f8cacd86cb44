/**
 * A small client of the Redis protocol (RESP2), on node:net.
 *
 * Written for the main job rather than taken from a registry: it has to see what a library hides,
 * that a connection was closed or that a reply came which nobody asked for.
 * Spec: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

/** An error reply of the server; a value, since many of them are what is being shown. */
export class ErrorReply {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** Strings are Latin-1, so that each of their characters is one byte of the reply. */
export type Reply = string | number | null | ErrorReply | readonly Reply[];

/** Longest reply that is accepted, in bytes: nothing here asks for more than a few hundred. */
const REPLY_SIZE_MAX = 1 << 20;

/** One command as an array of bulk strings. Strings are Latin-1 like those of a Reply. */
export function encodeCommand(args: readonly (string | Uint8Array)[]): Buffer {
  const parts = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === "string" ? Buffer.from(arg, "latin1") : Buffer.from(arg);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}

/** Reads one reply at `offset`; undefined when its end has not arrived yet. Throws on other bytes. */
export function parseReply(
  bytes: Buffer,
  offset: number,
): { reply: Reply; end: number } | undefined {
  const lineEnd = bytes.indexOf("\r\n", offset);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString("latin1", offset + 1, lineEnd);
  const end = lineEnd + 2;
  const type = String.fromCharCode(bytes[offset] ?? 0);
  switch (type) {
    case "+":
      return { reply: line, end };
    case "-":
      return { reply: new ErrorReply(line), end };
    case ":":
      return { reply: parseInteger(line), end };
    case "$":
      return parseBulk(bytes, end, parseInteger(line));
    case "*":
      return parseArray(bytes, end, parseInteger(line));
    default:
      throw new Error(`reply of the server begins with ${JSON.stringify(type + line)}`);
  }
}

function parseInteger(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new Error(`reply of the server: ${text} is not a number`);
  return Number(text);
}

function parseBulk(bytes: Buffer, start: number, size: number) {
  if (size === -1) return { reply: null, end: start };
  if (size < 0 || size > REPLY_SIZE_MAX) throw new Error(`reply of the server: size ${size}`);
  const end = start + size;
  if (bytes.length < end + 2) return undefined;
  if (bytes.toString("latin1", end, end + 2) !== "\r\n")
    throw new Error("reply of the server: a string is longer than it says");
  return { reply: bytes.toString("latin1", start, end), end: end + 2 };
}

function parseArray(bytes: Buffer, start: number, count: number) {
  if (count === -1) return { reply: null, end: start };
  if (count < 0 || count > REPLY_SIZE_MAX) throw new Error(`reply of the server: count ${count}`);
  const replies: Reply[] = [];
  let end = start;
  for (let index = 0; index < count; index++) {
    const element = parseReply(bytes, end);
    if (element === undefined) return undefined;
    replies.push(element.reply);
    end = element.end;
  }
  return { reply: replies, end };
}

type Waiter = { resolve: (reply: Reply) => void; reject: (error: Error) => void };

/** One connection. Replies are matched with commands in order; what nobody asked for is pushed. */
export class RespConnection {
  readonly name: string;
  /** Why the connection ended, once it has. */
  ended: Error | undefined;
  /** Called with each reply that no command waits for, such as a published message. */
  onPush: ((reply: Reply) => void) | undefined;
  #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiter[] = [];

  private constructor(name: string, socket: Socket) {
    this.name = name;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(new Error("the server closed the connection")));
  }

  static open(options: { name: string; port: number }): Promise<RespConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: options.port });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RespConnection(options.name, socket));
      });
    });
  }

  send(...args: (string | Uint8Array)[]): Promise<Reply> {
    return this.pipeline([args]).then((replies) => replies[0] ?? null);
  }

  /** Writes all commands at once; gives their replies in order. */
  pipeline(commands: readonly (readonly (string | Uint8Array)[])[]): Promise<Reply[]> {
    if (this.ended) return Promise.reject(new Error(`${this.name}: ${this.ended.message}`));
    const replies = commands.map(
      () => new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject })),
    );
    this.#socket.write(Buffer.concat(commands.map(encodeCommand)));
    return Promise.all(replies);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    try {
      let offset = 0;
      for (let next = parseReply(bytes, offset); next; next = parseReply(bytes, offset)) {
        offset = next.end;
        const waiter = this.#waiting.shift();
        if (waiter) waiter.resolve(next.reply);
        else this.onPush?.(next.reply);
      }
      bytes = bytes.subarray(offset);
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      this.#socket.destroy();
    }
    this.#received = bytes;
  }

  #end(error: Error): void {
    this.ended ??= error;
    for (const waiter of this.#waiting.splice(0))
      waiter.reject(new Error(`${this.name}: ${this.ended.message}`));
  }
}
