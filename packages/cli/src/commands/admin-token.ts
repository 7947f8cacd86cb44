import { type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import {
  type Admin,
  decimalOf,
  idNamed,
  onServer,
  SERVER_OPTIONS,
  wordsOf,
} from "./admin-request.ts";
import { numberOf, requiredText } from "./release-request.ts";

export const adminToken: Command = {
  name: "admin token",
  summary: "make or withdraw a token that enrols devices",
  usage: "new --name NAME | remove NAME",
  about:
    "A token is shown once. Unless --uses says otherwise it enrols one device. Devices that it\n" +
    "enrols have its tags and are in its ring. The list: suture admin show tokens.",
  options: {
    ...SERVER_OPTIONS,
    name: { type: "string", value: "NAME", help: "what it is for" },
    tag: { type: "string", multiple: true, value: "TAG", help: "of its devices (may be repeated)" },
    ring: { type: "string", value: "NAME", help: "the ring of its devices" },
    "valid-hours": { type: "string", value: "HOURS", help: "how long it may be used (24)" },
    uses: { type: "string", value: "N", help: "how many devices it enrols (1)" },
  },
  example: "suture admin token new --name 'web servers' --tag web --ring Test --uses 20",
  run: onServer(run),
};

async function run(admin: Admin): Promise<Outcome> {
  const { args, call } = admin;
  const [action] = args.positionals;
  if (action === "new") return await create(admin);
  if (action !== "remove") throw new UsageError("what is to be done? new or remove");
  const [, text = ""] = wordsOf(args, ["remove", "NAME"]);
  const id = idNamed(await call("enrolmentTokens"), text, "enrolment token");
  await call("removeEnrolmentToken", { params: { id } });
  return done({ removed: id }, line(`withdrawn: ${text}`));
}

async function create({ args, call, server }: Admin): Promise<Outcome> {
  wordsOf(args, ["new"]);
  const ring = args.text("ring");
  const token = await call("createEnrolmentToken", {
    body: {
      name: requiredText(args, "name"),
      tags: [...args.texts("tag")],
      ...(ring !== undefined && { ringId: idNamed(await call("rings"), ring, "ring") }),
      validHours: decimalOf(args, "valid-hours") ?? 24,
      usesMax: numberOf(args, "uses", { min: 1, max: 100_000 }) ?? 1,
    },
  });
  const command = `suture agent enroll --server ${server} --token ${token.token} --channel-root 1.root.json`;
  return done(
    { token, command },
    line(`token for ${token.usesMax} device(s), until ${token.expiresAt}; it is shown once:`),
    line(token.token),
    line("on the device, as root, with the root that the channel's publisher gave you:"),
    line(command),
  );
}
