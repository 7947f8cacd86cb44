import type { Role } from "@suture/contract";
import { type Arguments, type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { type Admin, firstLineOf, onServer, SERVER_OPTIONS, wordsOf } from "./admin-request.ts";
import { requiredText } from "./release-request.ts";

export const adminAccount: Command = {
  name: "admin account",
  summary: "make, change or disable an account",
  usage:
    "new LOGIN --name NAME --role ROLE... [--password-file FILE]\n" +
    "       suture admin account change LOGIN [--name NAME] [--role ROLE...] [--password-file FILE]\n" +
    "       suture admin account disable|enable LOGIN",
  about:
    "Roles: viewer, author, approver, operator, admin, auditor. An approver cannot be author or\n" +
    "operator too. The password (12 characters or more) comes from a file of mode 600, or is asked\n" +
    "for; never from the command line.",
  options: {
    ...SERVER_OPTIONS,
    name: { type: "string", value: "NAME", help: "the person's name" },
    role: { type: "string", multiple: true, value: "ROLE", help: "a role (may be repeated)" },
    "password-file": { type: "string", value: "FILE", help: "its first line is the password" },
  },
  example: "suture admin account new ann --name 'Ann Lee' --role author --password-file ann.pass",
  run: onServer(run),
};

async function run(admin: Admin): Promise<Outcome> {
  const { args, call } = admin;
  const [action] = args.positionals;
  if (action === "new") return await create(admin);
  if (action !== "change" && action !== "disable" && action !== "enable") {
    throw new UsageError("what is to be done? new, change, disable or enable");
  }
  const [, login = ""] = wordsOf(args, ["ACTION", "LOGIN"]);
  const accounts = await call("accounts");
  const account = accounts.find((other) => other.login === login);
  if (account === undefined) throw new UsageError(`there is no account ${login}`);
  const body = action === "change" ? await changeOf(admin) : { disabled: action === "disable" };
  const changed = await call("changeAccount", { params: { id: account.id }, body });
  return accountOutcome(changed);
}

async function create(admin: Admin): Promise<Outcome> {
  const { args, call } = admin;
  const [, login = ""] = wordsOf(args, ["new", "LOGIN"]);
  const name = requiredText(args, "name");
  const roles = await rolesOf(args);
  const password = (await passwordOf(admin)) ?? (await askedPassword(admin, login));
  return accountOutcome(await call("createAccount", { body: { login, name, roles, password } }));
}

async function changeOf(admin: Admin) {
  const { args } = admin;
  const name = args.text("name");
  const roles = args.texts("role").length > 0 ? await rolesOf(args) : undefined;
  const password = await passwordOf(admin);
  const body = {
    ...(name !== undefined && { name }),
    ...(roles !== undefined && { roles }),
    ...(password !== undefined && { password }),
  };
  if (Object.keys(body).length === 0) {
    throw new UsageError("what is to be changed? --name, --role or --password-file");
  }
  return body;
}

async function passwordOf({ args, parts }: Admin): Promise<string | undefined> {
  const file = args.text("password-file");
  return file === undefined ? undefined : await firstLineOf(file, parts);
}

async function askedPassword({ parts }: Admin, login: string): Promise<string> {
  const password = await parts.askSecret(`password of ${login}: `);
  if ((await parts.askSecret("once more: ")) === password) return password;
  throw new UsageError("the two passwords differ");
}

/** The roles of `--role`. Throws UsageError where there is none, or an unknown one. */
export async function rolesOf(args: Arguments): Promise<Role[]> {
  const { Role } = await import("@suture/contract");
  const known = Object.values(Role);
  const texts = args.texts("role");
  if (texts.length === 0) throw new UsageError(`--role is missing: ${known.join(", ")}`);
  return texts.map((text) => {
    const role = known.find((name) => name === text);
    if (role === undefined) throw new UsageError(`--role ${text}: ${known.join(", ")}`);
    return role;
  });
}

const accountOutcome = (account: {
  readonly login: string;
  readonly roles: readonly string[];
  readonly disabled: boolean;
}): Outcome =>
  done(
    { account },
    line(
      `account ${account.login}: ${account.roles.join(", ")}${account.disabled ? "; disabled" : ""}`,
    ),
  );
