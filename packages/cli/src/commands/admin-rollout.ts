import type { Answer } from "@suture/contract";
import { type Command, UsageError } from "../command.ts";
import { done, line, type Outcome, table } from "../outcome.ts";
import {
  type Admin,
  decimalOf,
  idNamed,
  onServer,
  SERVER_OPTIONS,
  wordsOf,
} from "./admin-request.ts";
import { requiredText } from "./release-request.ts";

export const adminRollout: Command = {
  name: "admin rollout",
  summary: "draft a rollout, and act on it",
  usage:
    "create --name NAME --target TARGET [--ring NAME]... [--group NAME]...\n" +
    "       suture admin rollout submit|approve|reject|pause|resume|stop|next|retry|revert ID",
  about:
    "A draft does nothing until it is submitted and another person approved it. Without --ring it\n" +
    "goes through all rings, without --group to every device in them. --expedite skips deferrals\n" +
    "and soak times and needs a reason. The server says why an action is not possible now.",
  options: {
    ...SERVER_OPTIONS,
    reason: { type: "string", value: "TEXT", help: "why, for the audit log" },
    name: { type: "string", value: "NAME", help: "what people call it" },
    target: { type: "string", value: "TARGET", help: "of the channel; see: admin show catalog" },
    ring: { type: "string", multiple: true, value: "NAME", help: "a ring (may be repeated)" },
    group: { type: "string", multiple: true, value: "NAME", help: "a group (may be repeated)" },
    "success-threshold": { type: "string", value: "SHARE", help: "before the next ring (0.9)" },
    "error-threshold": { type: "string", value: "SHARE", help: "that halts it (0.05)" },
    "soak-hours": { type: "string", value: "HOURS", help: "of each ring (24)" },
    approval: { type: "boolean", help: "a person approves each next ring" },
    expedite: { type: "boolean", help: "break-glass; needs --reason" },
  },
  example:
    "suture admin rollout create --name 'redis in October' \\\n" +
    "    --target redis/2026-10/b2bcad6d23563e10222dc42e7a9b0e07f5c56033.1.hotpatch\n" +
    "suture admin rollout pause 6f1d8f5e-0c1c-4f7a-9c1e-0c9a8f1b2d3e --reason 'latency is up'",
  run: onServer(run),
};

async function run(admin: Admin): Promise<Outcome> {
  const { args, call } = admin;
  const [word] = args.positionals;
  if (word === "create") return await create(admin);
  const { RolloutAction } = await import("@suture/contract");
  const actions = Object.values(RolloutAction);
  const action = actions.find((name) => name === word);
  if (action === undefined) {
    throw new UsageError(`what is to be done? create, ${actions.join(", ")}`);
  }
  const [, id = ""] = wordsOf(args, ["ACTION", "ID"]);
  const reason = args.text("reason");
  const body = { action, ...(reason !== undefined && { reason }) };
  return rolloutOutcome(await call("actOnRollout", { params: { id }, body }));
}

async function create({ args, call }: Admin): Promise<Outcome> {
  wordsOf(args, ["create"]);
  const { GATES_DEFAULT: gates } = await import("@suture/contract");
  const [ringNames, groupNames] = [args.texts("ring"), args.texts("group")];
  const rings = ringNames.length > 0 ? await call("rings") : [];
  const groups = groupNames.length > 0 ? await call("groups") : [];
  const rollout = await call("createRollout", {
    body: {
      name: requiredText(args, "name"),
      target: requiredText(args, "target"),
      ringIds: ringNames.map((name) => idNamed(rings, name, "ring")),
      groupIds: groupNames.map((name) => idNamed(groups, name, "group")),
      gates: {
        successThreshold: decimalOf(args, "success-threshold") ?? gates.successThreshold,
        errorThreshold: decimalOf(args, "error-threshold") ?? gates.errorThreshold,
        soakHours: decimalOf(args, "soak-hours") ?? gates.soakHours,
        approval: args.flag("approval") || gates.approval,
      },
      ...(args.flag("expedite") && { expedite: { reason: requiredText(args, "reason") } }),
    },
  });
  return rolloutOutcome(rollout);
}

function rolloutOutcome(rollout: Answer<"actOnRollout">): Outcome {
  const { id, name, state, groups, choices, waitsFor } = rollout;
  const possible = choices.filter(({ allowed }) => allowed);
  return done(
    { rollout },
    line(`rollout ${id} (${name}): ${state}${waitsFor === undefined ? "" : `; ${waitsFor}`}`),
    table(
      [
        { title: "RING", cutTo: 8 },
        { title: "STATE" },
        { title: "DEVICES", align: "right" },
        { title: "WAITS FOR", cutTo: 16 },
      ],
      groups.map((group) => [
        group.name,
        group.state,
        String(group.devices),
        group.waitsFor?.text ?? "-",
      ]),
    ),
    ...possible.map(({ action, effect }) => line(`possible now: ${action}: ${effect}`)),
  );
}
