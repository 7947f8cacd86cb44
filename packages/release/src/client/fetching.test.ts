/** Channels behind a real web server, and in folders: endless data, silence, links and pipes. */
import { execFileSync } from "node:child_process";
import { mkdir, symlink, unlink, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { folderFetch } from "../files/folder.ts";
import { httpFetch } from "../files/http-fetch.ts";
import { sha256Of } from "../metadata/canonical.ts";
import { targetPath } from "../metadata/metadata.ts";
import {
  eachWithChannel,
  hotpatchBytes,
  hotpatchTarget,
  problemOf,
  type TestChannel,
} from "./channel-fixture.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

/** A plain web server of the public folder, which asks `listener` first. */
const serveChannel = (listener: (path: string, ...rest: Parameters<RequestListener>) => boolean) =>
  serve(async (request, response) => {
    const path = decodeURIComponent((request.url ?? "").slice(1));
    if (listener(path, request, response)) return;
    const bytes = await channel.files.read(`public/${path}`);
    response.writeHead(bytes ? 200 : 404).end(bytes);
  });

const clientOf = (baseUrl: string, timeoutMs = 5000) =>
  channel.client({ fetch: httpFetch({ baseUrl, timeoutMs, fetch: globalThis.fetch }) });

const hotpatchPath = targetPath(hotpatchTarget(1), sha256Of(hotpatchBytes(1)));

test("reads a channel from a plain web server, which may have a folder of its own for it", async () => {
  const client = clientOf(`${await serveChannel(() => false)}/`);
  expect((await client.update()).updates).toHaveLength(2);
  expect(await client.download(hotpatchTarget(1))).toEqual(hotpatchBytes(1));
});

describe("endless data", () => {
  const paths = [
    "metadata/2.root.json",
    "metadata/timestamp.json",
    "metadata/1.snapshot.json",
    "metadata/1.targets.json",
    "metadata/1.redis.json",
    hotpatchPath,
  ];
  test.each(paths)("%s that does not end is cut off", async (endless) => {
    let sent = 0;
    let closed = false;
    const url = await serveChannel((path, _request, response) => {
      if (path !== endless) return false;
      response.writeHead(200);
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      const push = () => {
        while (!closed) {
          sent += chunk.length;
          if (!response.write(chunk)) return;
        }
      };
      response.on("drain", push).on("close", () => {
        closed = true;
      });
      push();
      return true;
    });
    const client = clientOf(url, 60_000);
    if (endless === "metadata/1.redis.json") {
      const { products } = await client.update();
      expect(products[0]?.problem?.reason).toBe("metadata-too-large");
    } else {
      const act = async () => {
        await client.update();
        await client.download(hotpatchTarget(1));
      };
      expect((await problemOf(act())).code).toBe("metadata-too-large");
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test("a length that the online keys sign for is not believed beyond the limit", async () => {
    const client = channel.client({ limits: { snapshotBytesMax: 100 } });
    const { code, message } = await problemOf(client.update());
    expect(code).toBe("metadata-too-large");
    expect(message).toContain("bytes are signed for");
  });
});

describe("servers that do not behave", () => {
  test("one that never answers costs the timeout", async () => {
    const url = await serveChannel((path) => path === "metadata/timestamp.json");
    expect((await problemOf(clientOf(url, 50).update())).code).toBe("unreachable");
  });

  test("one that stops within a file costs the timeout", async () => {
    const url = await serveChannel((path, _request, response) => {
      if (path !== "metadata/timestamp.json") return false;
      response.writeHead(200, { "content-length": 1000 }).write("{");
      return true;
    });
    expect((await problemOf(clientOf(url, 200).update())).code).toBe("unreachable");
  });

  test.each([500, 301])("status %d is no answer", async (status) => {
    const url = await serveChannel((path, _request, response) => {
      if (path !== "metadata/timestamp.json") return false;
      response.writeHead(status, { location: "/metadata/1.root.json" }).end();
      return true;
    });
    expect((await problemOf(clientOf(url).update())).code).toBe("unreachable");
  });

  test("a server that is not there", async () => {
    expect((await problemOf(clientOf("http://127.0.0.1:1").update())).code).toBe("unreachable");
  });

  test("a missing snapshot is not the end of the roots", async () => {
    const url = await serveChannel((path, _request, response) => {
      if (path !== "metadata/1.snapshot.json") return false;
      response.writeHead(404).end();
      return true;
    });
    expect((await problemOf(clientOf(url).update())).code).toBe("file-missing");
  });
});

describe("folders that do not behave", () => {
  const timestamp = () => join(channel.folder, "public/metadata/timestamp.json");

  test("a symbolic link is not followed", async () => {
    await unlink(timestamp());
    await symlink("/etc/shadow", timestamp());
    expect((await problemOf(channel.client().update())).code).toBe("unreachable");
  });

  test("a pipe is not waited for", async () => {
    await unlink(timestamp());
    execFileSync("mkfifo", [timestamp()]);
    expect((await problemOf(channel.client().update())).code).toBe("unreachable");
  });

  test("a folder in place of a file, and an endless device", async () => {
    await unlink(timestamp());
    await mkdir(timestamp());
    expect((await problemOf(channel.client().update())).code).toBe("unreachable");
    expect((await problemOf(folderFetch("/dev")("zero", 10))).code).toBe("unreachable");
  });

  test("a file that is too long is not read", async () => {
    await writeFile(timestamp(), Buffer.alloc(17 * 1024));
    expect((await problemOf(channel.client().update())).code).toBe("metadata-too-large");
  });
});
