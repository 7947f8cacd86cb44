/** A server that lies, is broken or is something else: what the network half takes from it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane-fixture.ts";
import { enrolDevice, parseEnrolmentToken, parseServerAddress } from "./enrol.ts";
import { NetworkError } from "./errors.ts";
import { sendRequest } from "./http-request.ts";
import { createServerConnection } from "./server-connection.ts";

let plane: ControlPlane;
let folder: string;

beforeEach(async () => {
  plane = await startControlPlane();
  folder = await mkdtemp(join(tmpdir(), "suture-lying-"));
});
afterEach(async () => {
  await plane.close();
  await rm(folder, { recursive: true });
});

const base = () => ({
  server: plane.address,
  fetch: sendRequest,
  now: () => new Date(),
  randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
});

const failure = async (act: () => Promise<unknown>): Promise<NetworkError> => {
  const error = await act().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof NetworkError)) throw new Error(`not a NetworkError: ${String(error)}`);
  return error;
};

const json = (response: ServerResponse, text: string, status = 200): true => {
  response.writeHead(status, { "content-type": "application/json" }).end(text);
  return true;
};

/** Writes until the other side has had enough; resolves with the bytes that it took. */
function endlessBody(response: ServerResponse): Promise<number> {
  response.writeHead(200, { "content-type": "application/json" });
  const chunk = Buffer.alloc(64 * 1024, " ");
  let written = 0;
  return new Promise((resolve) => {
    response.on("close", () => resolve(written));
    const write = (): void => {
      while (!response.destroyed) {
        written += chunk.length;
        if (!response.write(chunk)) break;
      }
    };
    response.on("drain", write);
    write();
  });
}

describe("a request", () => {
  const ask = (timeoutMs = 5000) =>
    failure(() => createServerConnection(base()).ask("checkIn", { body: {}, timeoutMs }));

  test("follows no redirect", async () => {
    const other = await startControlPlane();
    plane.lie = (_request, response) => {
      response.writeHead(307, { location: `${other.address}/v1/device/check-in` }).end();
      return true;
    };
    expect((await ask()).code).toBe("server-redirects");
    expect(other.requests).toEqual([]);
    await other.close();
  });

  test("reads an endless body no further than its limit", async () => {
    let taken: Promise<number> | undefined;
    plane.lie = (_request, response) => {
      taken = endlessBody(response);
      return true;
    };
    expect((await ask()).code).toBe("server-answer");
    // The limit, and what the system's buffers hold.
    expect(await taken).toBeLessThan(20 * 1024 * 1024);
  });

  test("ends at its deadline when the body comes a byte at a time", async () => {
    let timer: NodeJS.Timeout | undefined;
    plane.lie = (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      timer = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(timer));
      return true;
    };
    const begun = performance.now();
    expect((await ask(700)).code).toBe("server-unreachable");
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  test("ends at its deadline when no answer begins", async () => {
    plane.lie = () => true;
    expect((await ask(500)).code).toBe("server-unreachable");
  });

  test.each([
    ["not JSON", "<html>"],
    ["nothing", ""],
    ["JSON that is cut", '{"serial":'],
  ])("is not answered by %s", async (_, text) => {
    plane.lie = (_request, response) => json(response, text);
    expect((await ask()).code).toBe("server-answer");
  });

  test("reports the server's reason, without control characters", async () => {
    const text = JSON.stringify({ code: "too-many-requests", detail: "slow\u001b[2Jdown" });
    plane.lie = (_request, response) => {
      response.setHeader("retry-after", "999999");
      return json(response, text, 429);
    };
    const error = await ask();
    expect(error).toMatchObject({ code: "server-refused", serverCode: "too-many-requests" });
    expect(error.message).toContain("slow?[2Jdown");
    expect(error.retryAfterSeconds).toBe(3600);
  });

  test("fails where nobody listens", async () => {
    const { address } = plane;
    await plane.close();
    plane = await startControlPlane();
    const connection = createServerConnection({ ...base(), server: address });
    expect((await failure(() => connection.ask("checkIn", { body: {} }))).code).toBe(
      "server-unreachable",
    );
  });
});

describe("enrolment", () => {
  const enrol = (token = plane.token) =>
    failure(() =>
      enrolDevice({
        ...base(),
        token: parseEnrolmentToken(token),
        folder,
        userId: process.getuid?.() ?? 0,
        hostname: "machine",
        faultPoint: () => undefined,
      }),
    );
  const deviceId = "0b8f3d1e-7a55-4c1c-9f0e-2d9a6f1c7e10";

  test("believes no control plane but the one that the token names", async () => {
    const other = await startControlPlane();
    const channelUrl = "/channel";
    const text = JSON.stringify({ deviceId, controlKey: other.controlKey, channelUrl });
    plane.lie = (_request, response) => json(response, text);
    expect((await enrol()).code).toBe("control-key");
    await other.close();
  });

  test.each([
    ["deviceId", "../../etc"],
    ["controlKey", "short"],
    ["channelUrl", "file:///etc"],
    ["channelUrl", `https://${"x".repeat(2000)}`],
  ])("refuses %s %s", async (field, value) => {
    const whole = { deviceId, controlKey: plane.controlKey, channelUrl: "/channel" };
    plane.lie = (_request, response) =>
      json(response, JSON.stringify({ ...whole, [field]: value }));
    expect((await enrol()).code).toBe("server-answer");
  });

  test("tells the server's reason for a token that is used up", async () => {
    const digest = plane.token.split(".")[2];
    expect(await enrol(`suture1.${"x".repeat(24)}.${digest}`)).toMatchObject({
      code: "server-refused",
      serverCode: "token-invalid",
    });
  });

  test.each([
    "http://suture.example",
    "ftp://suture.example",
    "https://user:password@suture.example",
    "https://suture.example/path",
    "suture.example",
    "http://127.0.0.1.evil.example",
  ])("is not sent to %s", (address) => {
    expect(() => parseServerAddress(address)).toThrow(NetworkError);
  });

  test.each(["https://suture.example", "https://suture.example:8443/", "http://127.0.0.1:80"])(
    "may be sent to %s",
    (address) => {
      expect(parseServerAddress(address)).toBe(address.replace(/\/$/, ""));
    },
  );
});
