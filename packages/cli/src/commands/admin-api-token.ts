import { resolve } from "node:path";
import { type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { rolesOf } from "./admin-account.ts";
import { type Admin, idNamed, onServer, SERVER_OPTIONS, wordsOf } from "./admin-request.ts";
import { numberOf, requiredText } from "./release-request.ts";

export const adminApiToken: Command = {
  name: "admin api-token",
  summary: "make or withdraw a token for programs and this command",
  usage: "new --name NAME --role ROLE... --out FILE | remove NAME",
  about:
    "The token is written to a file of mode 600, never shown. It has its own roles; what is done\n" +
    "with it stands in the audit log under the account that made it.",
  options: {
    ...SERVER_OPTIONS,
    name: { type: "string", value: "NAME", help: "who uses it" },
    role: { type: "string", multiple: true, value: "ROLE", help: "a role (may be repeated)" },
    "valid-days": { type: "string", value: "N", help: "how long it is valid (90)" },
    out: { type: "string", value: "FILE", help: "the new file; an existing one is left alone" },
  },
  example: "suture admin api-token new --name deploy --role author --out deploy.token",
  run: onServer(run),
};

async function run(admin: Admin): Promise<Outcome> {
  const { args, call, parts } = admin;
  const [action] = args.positionals;
  if (action === "remove") {
    const [, text = ""] = wordsOf(args, ["remove", "NAME"]);
    const id = idNamed(await call("apiTokens"), text, "API token");
    await call("removeApiToken", { params: { id } });
    return done({ removed: id }, line(`withdrawn: ${text}`));
  }
  if (action !== "new") throw new UsageError("what is to be done? new or remove");
  wordsOf(args, ["new"]);
  const file = resolve(requiredText(args, "out"));
  const body = {
    name: requiredText(args, "name"),
    roles: await rolesOf(args),
    validDays: numberOf(args, "valid-days", { min: 1, max: 366 }) ?? 90,
  };
  const { token, ...made } = await call("createApiToken", { body });
  try {
    await parts.writeSecretFile(file, Buffer.from(`${token}\n`));
  } catch (error) {
    // Nobody could use it any more.
    await call("removeApiToken", { params: { id: made.id } });
    throw error;
  }
  return done({ token: made, file }, line(`${file}: valid until ${made.expiresAt}`));
}
