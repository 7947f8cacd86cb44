import type { Command } from "../command.ts";
import { done, line } from "../outcome.ts";
import { onServer, SERVER_OPTIONS, wordsOf } from "./admin-request.ts";
import { requiredText } from "./release-request.ts";

export const adminPause: Command = {
  name: "admin pause",
  summary: "pause everything on all devices",
  usage: "--reason TEXT",
  about:
    "Nothing is applied, reverted by plan or restarted on any device until it is resumed. What is\n" +
    "applied stays, and its health is watched. One rollout: suture admin rollout pause ID.",
  options: { ...SERVER_OPTIONS, reason: { type: "string", value: "TEXT", help: "why" } },
  example: "suture admin pause --reason 'the data centre is on its generators'",
  run: onServer(async ({ args, call }) => {
    wordsOf(args, []);
    await call("pauseAll", { body: { reason: requiredText(args, "reason") } });
    return done({ paused: true }, line("everything is paused; to end it: suture admin resume"));
  }),
};

export const adminResume: Command = {
  name: "admin resume",
  summary: "end the pause of everything",
  usage: "",
  about: "Rollouts that were paused or halted one by one stay so.",
  options: SERVER_OPTIONS,
  example: "suture admin resume --server https://suture.example --token-file token",
  run: onServer(async ({ args, call }) => {
    wordsOf(args, []);
    await call("resumeAll");
    return done({ paused: false }, line("resumed"));
  }),
};
