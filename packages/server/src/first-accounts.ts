/** The accounts that a new server begins with. */
import { Role } from "@suture/contract";
import { hashPassword, newId, newSecret, type RandomBytes } from "./secrets.ts";
import { appendAudit } from "./store/audit.ts";
import type { Store } from "./store/store.ts";

export const FIRST_ADMIN = "admin";
/** Of every demonstration account. */
export const DEMO_PASSWORD = "suture-demonstration";

export interface FirstAdmin {
  readonly random: RandomBytes;
  readonly now: Date;
  readonly password?: string | undefined;
}

/** Makes the account `admin` where there is no account at all. Gives a password that it made. */
export async function createFirstAdmin(
  store: Store,
  { random, now, password }: FirstAdmin,
): Promise<string | undefined> {
  const { count } = await store.database
    .selectFrom("accounts")
    .select(({ fn }) => fn.countAll().as("count"))
    .executeTakeFirstOrThrow();
  if (Number(count) > 0) return undefined;
  const chosen = password ?? newSecret(random).slice(0, 24);
  await createAccount(store, {
    login: FIRST_ADMIN,
    name: "Administrator",
    role: Role.admin,
    passwordHash: await hashPassword(chosen, random),
    random,
    now,
  });
  return password === undefined ? chosen : undefined;
}

/** One account a role, named like it; those that are there stay as they are. */
export async function createDemoAccounts(
  store: Store,
  { random, now }: Omit<FirstAdmin, "password">,
): Promise<void> {
  // One hash for all: their password is no secret.
  const passwordHash = await hashPassword(DEMO_PASSWORD, random);
  for (const role of Object.values(Role)) {
    const login = role === Role.admin ? "demo-admin" : role;
    const account = { login, name: `Demo ${role}`, role, passwordHash };
    await createAccount(store, { ...account, random, now });
  }
}

interface NewAccount {
  readonly login: string;
  readonly name: string;
  readonly role: Role;
  readonly passwordHash: string;
  readonly random: RandomBytes;
  readonly now: Date;
}

async function createAccount(store: Store, account: NewAccount): Promise<void> {
  const { login, name, role, passwordHash, random, now } = account;
  await store.transact(async ({ tx }) => {
    const row = await tx
      .insertInto("accounts")
      .values({
        id: newId(random),
        login,
        name,
        roles: [role],
        password_hash: passwordHash,
        created_at: now,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning("id")
      .executeTakeFirst();
    if (row === undefined) return;
    await appendAudit(tx, {
      at: now,
      who: "server",
      action: "account.create",
      object: `account ${login}`,
      detail: { name, roles: [role] },
    });
  });
}
