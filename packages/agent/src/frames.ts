/**
 * Frames of the local socket: four bytes with the length, big-endian, then that many bytes of one
 * JSON object in UTF-8.
 *
 *     00 00 00 0f  7b 22 72 65 71 75 65 73 74 ...
 *     length = 15  {"request": ...
 */
import { AgentError } from "./errors.ts";
import { type Fields, objectFromBytes } from "./fields.ts";
import { frameBytesMax } from "./limits.ts";

const headerBytes = 4;

/** The frame of a value. Throws AgentError `frame-too-large`. */
export function encodeFrame(value: object): Uint8Array {
  const body = Buffer.from(JSON.stringify(value));
  if (body.length > frameBytesMax) {
    throw new AgentError("frame-too-large", "frame", `${body.length} bytes`);
  }
  const frame = Buffer.alloc(headerBytes + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, headerBytes);
  return frame;
}

export interface FrameDecoder {
  /**
   * The frames that are whole with these bytes. Throws AgentError `frame-too-large` as soon as the
   * length is known, and `frame-not-json`; nothing can be read from this connection after that.
   */
  readonly push: (bytes: Uint8Array) => Fields[];
  /** Whether a frame was begun and is not whole. */
  readonly isInside: () => boolean;
}

/** Takes bytes as they come; keeps at most one frame and what came with its last bytes. */
export function createFrameDecoder(): FrameDecoder {
  let chunks: Uint8Array[] = [];
  let size = 0;
  /** Of the body that is being read; undefined before its header is whole. */
  let bodyBytes: number | undefined;
  const take = (count: number): Buffer => {
    const all = Buffer.concat(chunks, size);
    chunks = [all.subarray(count)];
    size -= count;
    return all.subarray(0, count);
  };
  const next = (): Fields | undefined => {
    if (bodyBytes === undefined) {
      if (size < headerBytes) return undefined;
      bodyBytes = take(headerBytes).readUInt32BE();
      if (bodyBytes > frameBytesMax) {
        throw new AgentError("frame-too-large", "frame", `${bodyBytes} bytes`);
      }
    }
    if (size < bodyBytes) return undefined;
    const body = take(bodyBytes);
    bodyBytes = undefined;
    return objectFromBytes(body, { code: "frame-not-json", field: "frame" });
  };
  return {
    push: (bytes) => {
      if (bytes.length > 0) {
        chunks.push(bytes);
        size += bytes.length;
      }
      const frames: Fields[] = [];
      for (let frame = next(); frame !== undefined; frame = next()) frames.push(frame);
      return frames;
    },
    isInside: () => size > 0 || bodyBytes !== undefined,
  };
}
