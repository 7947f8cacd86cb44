/** Requests that haproxy must answer with 400 and did not. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../e2e/free-port.ts";
import type { Answer } from "./behaviour.ts";
import { firstLine, startServerSubject } from "./server-subject.ts";
import type { Trigger } from "./trigger.ts";

const configuration = (port: number): string => `
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend web
  bind 127.0.0.1:${port}
  http-request return status 200 if { path_end .png } || { path / }
  http-request return status 403
`;

const haproxy = (patch: string, request: string): Trigger => ({
  ...{ package: "haproxy", patch, binary: "haproxy" },
  start: async (place) => {
    const port = await freePort();
    const file = join(place.folder, "haproxy.cfg");
    await writeFile(file, configuration(port));
    const look = async (): Promise<Answer> => {
      const detail = await firstLine(port, request);
      const status = detail.split(" ")[1];
      return { word: status === "400" ? "right" : status === "200" ? "wrong" : "unable", detail };
    };
    return startServerSubject(place, port, { args: ["-db", "-f", file] }, look);
  },
});

export const HAPROXY_TRIGGERS: readonly Trigger[] = [
  // CVE-2023-40225: a Content-Length without a value is passed on, and read as another length.
  haproxy(
    "BUG-MAJOR-http-reject-any-empty-content-length-heade.patch",
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
  ),
  // CVE-2023-45539: what stands behind # counts as part of the path, so that path_end matches it.
  haproxy(
    "BUG-MINOR-h1-do-not-accept-as-part-of-the-URI-compon.patch",
    "GET /admin.php#.png HTTP/1.1\r\nHost: x\r\n\r\n",
  ),
];
