/** What the commands on the agent have in common: where it is, who runs it, and its answers. */
import { resolve } from "node:path";
import type { AnswerOf, RequestName, RequestOf } from "@suture/agent";
import type { AgentParts } from "../agent-parts.ts";
import { type Arguments, type Context, type Option, UsageError } from "../command.ts";
import { failed, type Outcome } from "../outcome.ts";

export const ROOT_OPTION: Readonly<Record<string, Option>> = {
  root: { type: "string", value: "DIR", help: "the agent whose files are below DIR (/)" },
};

export const USER_OPTION: Readonly<Record<string, Option>> = {
  user: { type: "string", value: "NAME", help: "who runs the network half (suture)" },
};

export const rootOf = (args: Arguments): string => resolve(args.text("root") ?? "/");

/** Runs a command with the agent's package loaded; what the agent refuses is an outcome. */
export const onAgent =
  (act: (args: Arguments, parts: AgentParts, context: Context) => Promise<Outcome>) =>
  async (args: Arguments, context: Context): Promise<Outcome> => {
    const parts = await context.agent();
    try {
      return await act(args, parts, context);
    } catch (error) {
      return agentOutcome(error, parts);
    }
  };

/** An error of the agent as an outcome; others are thrown on. */
export function agentOutcome(error: unknown, parts: AgentParts): Outcome {
  if (error instanceof parts.ExecutorRefusal) {
    const { code: reason, message: detail, next } = error;
    return failed("refused", { reason, detail, next });
  }
  if (error instanceof parts.AgentError) {
    const { outcome, next } = parts.AGENT_PROBLEMS[error.code];
    return failed(outcome, { reason: error.code, detail: error.message, next });
  }
  if (error instanceof parts.NetworkError) {
    return failed("failed", { reason: error.code, detail: error.message, next: error.next });
  }
  throw error;
}

/** Asks the executor of this agent. Throws what onAgent turns into an outcome. */
export const ask = async <Name extends RequestName>(
  args: Arguments,
  parts: AgentParts,
  { name, request }: { readonly name: Name; readonly request: RequestOf<Name> },
): Promise<AnswerOf<Name>> =>
  await parts.askExecutor(parts.foldersBelow(rootOf(args)).socket, name, request);

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user of the network half, from /etc/passwd or as UID:GID. Throws UsageError. */
export function userOf(args: Arguments, context: Context): User {
  const name = args.text("user") ?? "suture";
  const numbers = /^(?<uid>[0-9]{1,9}):(?<gid>[0-9]{1,9})$/.exec(name)?.groups;
  if (numbers) return { name, uid: Number(numbers.uid), gid: Number(numbers.gid) };
  const lines = new TextDecoder().decode(context.readFile("/etc/passwd")).split("\n");
  const [, , uid, gid] = lines.map((line) => line.split(":")).find(([n]) => n === name) ?? [];
  if (uid === undefined || gid === undefined) {
    throw new UsageError(
      `there is no user ${name}: useradd --system --no-create-home --shell /usr/sbin/nologin ${name}`,
    );
  }
  return { name, uid: Number(uid), gid: Number(gid) };
}

export function noPositionals(args: Arguments, name: string): void {
  const [word] = args.positionals;
  if (word !== undefined) throw new UsageError(`${name} takes options only, not ${word}`);
}
