import { type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import {
  type Admin,
  deviceIdOf,
  idNamed,
  onServer,
  SERVER_OPTIONS,
  wordsOf,
} from "./admin-request.ts";

export const adminDevice: Command = {
  name: "admin device",
  summary: "change a device's tags or ring, or remove it",
  usage:
    "tag DEVICE [--add TAG]... [--remove TAG]...\n" +
    "       suture admin device ring DEVICE RING\n" +
    "       suture admin device ring DEVICE --none\n" +
    "       suture admin device remove DEVICE",
  about:
    "DEVICE is an id, or a hostname that only one device has. A device in no ring is offered\n" +
    "nothing. A removed one is forgotten and its key refused; its hotpatches stay applied.",
  options: {
    ...SERVER_OPTIONS,
    add: { type: "string", multiple: true, value: "TAG", help: "a tag more (may be repeated)" },
    remove: { type: "string", multiple: true, value: "TAG", help: "a tag less (may be repeated)" },
    none: { type: "boolean", help: "take it out of its ring" },
  },
  example:
    "suture admin device tag web-1 --add web --remove test\nsuture admin device ring web-1 Last",
  run: onServer(run),
};

async function run(admin: Admin): Promise<Outcome> {
  const { args, call } = admin;
  const [action, device, ring] = args.positionals;
  if (device === undefined) throw new UsageError("tag, ring or remove, and which DEVICE?");
  switch (action) {
    case "tag":
      wordsOf(args, ["tag", "DEVICE"]);
      return await changeTags(admin, await deviceIdOf(call, device));
    case "ring":
      if (args.flag("none") === (ring !== undefined)) throw new UsageError("RING, or --none");
      wordsOf(args, ring === undefined ? ["ring", "DEVICE"] : ["ring", "DEVICE", "RING"]);
      return await changeRing(admin, await deviceIdOf(call, device), ring);
    case "remove": {
      wordsOf(args, ["remove", "DEVICE"]);
      const id = await deviceIdOf(call, device);
      await call("removeDevice", { params: { id } });
      return done({ removed: id }, line(`removed: ${device}; its key is refused from now on`));
    }
    default:
      throw new UsageError("what is to be done? tag, ring or remove");
  }
}

async function changeTags({ args, call }: Admin, id: string): Promise<Outcome> {
  const [add, remove] = [args.texts("add"), args.texts("remove")];
  if (add.length + remove.length === 0) throw new UsageError("--add TAG or --remove TAG");
  const { tags } = await call("device", { params: { id } });
  const wanted = new Set([...tags, ...add].filter((tag) => !remove.includes(tag)));
  const changed = await call("changeDevice", { params: { id }, body: { tags: [...wanted] } });
  return done(
    { id, tags: changed.tags },
    line(`${changed.hostname}: ${changed.tags.join(" ") || "no tags"}`),
  );
}

async function changeRing({ call }: Admin, id: string, ring: string | undefined): Promise<Outcome> {
  const ringId = ring === undefined ? null : idNamed(await call("rings"), ring, "ring");
  const changed = await call("changeDevice", { params: { id }, body: { ringId } });
  return done(
    { id, ring: changed.ring },
    line(`${changed.hostname}: ${changed.ring ?? "in no ring; it is offered nothing"}`),
  );
}
