/** What devices ask: enrolment, check-in, the assignment they wait for. */
import { RequestError } from "../errors.ts";
import { signalLists } from "../fleet/signals.ts";
import { newId, sha256 } from "../secrets.ts";
import type { Services } from "../services.ts";
import { appendAudit } from "../store/audit.ts";
import { insertDevice } from "../store/devices.ts";
import { useEnrolmentToken } from "../store/enrolment-tokens.ts";
import { isUniqueViolation } from "../store/violations.ts";
import { publicKeyOf } from "./authentication.ts";
import { deviceOf, type HandlersOf } from "./handler.ts";
import { createFailureLimit } from "./rate-limit.ts";

export function deviceRequestHandlers({
  parts,
  store,
  checkIns,
}: Services): HandlersOf<"enrol" | "checkIn" | "awaitAssignment"> {
  const limit = createFailureLimit(() => parts.now().getTime());
  return {
    async enrol({ body }, _, { request }) {
      const seconds = limit.waitSeconds(request.ip);
      if (seconds !== undefined) {
        throw new RequestError("too-many-requests", `again in ${seconds} seconds`, {
          retryAfterSeconds: seconds,
        });
      }
      const secret = secretOf(body.token, parts.controlKey.digest);
      const id = newId(parts.random);
      const now = parts.now();
      try {
        publicKeyOf(body.publicKey);
        await store.transact(async (work) => {
          const token =
            secret && (await useEnrolmentToken(work.tx, { digest: sha256(secret), now }));
          if (!token) throw new RequestError("token-invalid");
          const { hostname, publicKey } = body;
          const { ringId, tags } = token;
          await insertDevice(work.tx, { id, hostname, publicKey, ringId, tags }, now);
          signalLists(work, "devices", "enrolment-tokens", "overview");
          await appendAudit(work.tx, {
            at: now,
            who: `device ${hostname}`,
            action: "device.enrol",
            object: `device ${id}`,
            detail: { hostname, token: token.name, tags, ringId },
          });
        });
      } catch (error) {
        if (error instanceof RequestError) limit.failed(request.ip);
        if (!isUniqueViolation(error)) throw error;
        throw new RequestError("conflict", "a device with this key is enrolled already");
      }
      return {
        deviceId: id,
        controlKey: parts.controlKey.publicKey,
        channelUrl: parts.channelUrl,
      };
    },
    async checkIn({ body }, who) {
      return await checkIns.checkIn(deviceOf(who), body);
    },
    async awaitAssignment({ query }, who, { request }) {
      const assignment = await checkIns.awaitAssignment(deviceOf(who), query.after, (act) =>
        request.raw.once("close", () => {
          if (!request.raw.complete || request.raw.destroyed) act();
        }),
      );
      return { ...(assignment && { assignment }) };
    },
  };
}

/** The secret of `suture1.SECRET.SHA256-OF-CONTROL-KEY`, where the last part is ours. */
function secretOf(token: string, controlKeyDigest: string): string | undefined {
  const [format, secret, digest, ...more] = token.split(".");
  if (format !== "suture1" || more.length > 0 || digest !== controlKeyDigest) return undefined;
  return secret;
}
