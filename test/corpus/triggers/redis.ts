/** Commands that redis answered as if they were in order. */

import { freePort } from "../../e2e/free-port.ts";
import { redisArguments } from "../../e2e/redis-scene.ts";
import { REDIS_TRIGGERS as SHOWN } from "../../e2e/redis-triggers.ts";
import { encodeCommand } from "../../e2e/resp.ts";
import { firstLine, startServerSubject } from "./server-subject.ts";
import type { Trigger } from "./trigger.ts";

/** What a server with the fault answers, and how the answer of one without it begins. */
interface Fault {
  readonly patch: string;
  readonly faulty: string;
  readonly fixed: string;
  readonly show: (port: number) => Promise<string>;
}

const redis = ({ patch, faulty, fixed, show }: Fault): Trigger => ({
  // One file is server and checker, and goes by the name that it is called by.
  ...{ package: "redis", patch, binary: "redis-check-rdb" },
  start: async (place) => {
    const port = await freePort();
    const command = { args: redisArguments(port, place.folder), argv0: "redis-server" };
    return startServerSubject(place, port, command, async () => {
      const detail = await show(port);
      const word = detail === faulty ? "wrong" : detail.startsWith(fixed) ? "right" : "unable";
      return { word, detail };
    });
  },
});

const reply = (port: number, ...words: readonly string[]): Promise<string> =>
  firstLine(port, encodeCommand(words).toString("latin1"));

/** The main job shows 51741 on a version without the fix before it too: here that one is applied. */
const SHOWN_HERE = SHOWN.filter(({ cve }) => cve !== "CVE-2024-51741");

export const REDIS_TRIGGERS: readonly Trigger[] = [
  ...SHOWN_HERE.flatMap(({ patch, ...shown }) => (patch ? redis({ ...shown, patch }) : [])),
  // CVE-2024-31227: a key pattern that gives neither reading nor writing is taken.
  redis({
    patch: "0001-Apply-security-fixes-for-CVEs-1113.patch",
    faulty: "+OK",
    fixed: "-ERR Error in ACL SETUSER modifier",
    show: (port) => reply(port, "ACL", "SETUSER", "suture-trigger", "%~"),
  }),
  // CVE-2024-51741: so is one that ends before it says what it gives.
  redis({
    patch: "0002-Fix-Read-Write-key-pattern-selector-CVE-2024-51741-1.patch",
    faulty: "+OK",
    fixed: "-ERR Error in ACL SETUSER modifier",
    show: (port) => reply(port, "ACL", "SETUSER", "suture-trigger", "%"),
  }),
  // CVE-2025-67733: the end of a line in an argument ends the error reply, and the rest is another.
  redis({
    patch: "CVE-2025-67733.patch",
    faulty: "-ERR Unknown argument X",
    fixed: "-ERR Unknown argument X  +INJECTED",
    show: (port) => reply(port, "FUNCTION", "LIST", "X\r\n+INJECTED"),
  }),
];
