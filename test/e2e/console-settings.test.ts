/** The console: groups, rings, policies, compliance, the audit log, accounts and tokens. */
import { readFileSync } from "node:fs";
import { Role } from "@suture/contract";
import type { Download, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD, type TestDevice } from "../../packages/server/src/app-fixture.ts";
import { hotpatchTarget, runningComponent } from "../../packages/server/src/channel-fixture.ts";
import { type ConsoleScene, findChromium, findingsOf, look, openConsole } from "./console-scene.ts";

const chromium = findChromium();

let scene: ConsoleScene;
let device: TestDevice;

beforeAll(async () => {
  if (chromium === undefined) return;
  scene = await openConsole(chromium, { updates: 2 });
  device = await scene.enrolRedis({ hostname: "db-1", ring: "Test", tags: ["env:test"] });
});
afterAll(async () => await scene?.close());
afterEach(() => expect(scene?.takeProblems() ?? []).toEqual([]));

const dialogOf = (page: Page, name: string): Locator =>
  page.getByRole("dialog", { name, exact: true });
const rowOf = (page: Page, text: string): Locator =>
  page.getByRole("row").filter({ hasText: text });

async function choose(page: Page, field: Locator, option: string): Promise<void> {
  await field.click();
  await page.getByRole("option", { name: option, exact: true }).click();
}

/** Presses a button of the dialog and waits until the dialog is gone; says why where it stays. */
async function finish(dialog: Locator, button: string): Promise<void> {
  await dialog.getByRole("button", { name: button, exact: true }).click();
  try {
    await dialog.waitFor({ state: "detached" });
  } catch (cause) {
    throw new Error(`the dialog stays: ${await dialog.textContent()}`, { cause });
  }
}

async function textOf(download: Download): Promise<string> {
  return readFileSync(await download.path(), "utf8");
}

describe.skipIf(chromium === undefined)("groups", () => {
  test("a dynamic scope is made of conditions, and selects devices at once", async () => {
    const page = await scene.signIn([Role.author], { at: "/groups" });
    await page.getByText("There is no group yet.").waitFor();
    await look(page, "groups-empty");
    await page.getByRole("button", { name: "New group" }).click();
    const dialog = dialogOf(page, "New group");
    await dialog.getByLabel("Name").fill("databases");
    await finishNot(dialog, "Give every condition a value.");
    await dialog.getByRole("textbox", { name: "Value" }).fill("env:test");
    await dialog.getByRole("button", { name: "Add a condition" }).click();
    const second = dialog.getByRole("combobox", { name: "Condition" }).nth(2);
    await choose(page, second, "name matches");
    await dialog.getByRole("textbox", { name: "Value" }).nth(1).fill("db-*");
    await look(page, "group-edit");
    await finish(dialog, "Save");
    const row = rowOf(page, "databases");
    await row.getByText("has the tag env:test and name matches db-*").waitFor();
    await row.getByRole("link", { name: "1" }).click();
    await page.getByRole("link", { name: "db-1" }).waitFor();
  });

  test("a fixed list is picked by name, changed and removed", async () => {
    const page = await scene.signIn([Role.author], { at: "/groups" });
    await page.getByRole("button", { name: "New group" }).click();
    const dialog = dialogOf(page, "New group");
    await dialog.getByLabel("Name").fill("one machine");
    await dialog.getByText("Fixed list of devices").click();
    await dialog.getByLabel("Add a device").fill("db");
    await page.getByRole("option", { name: "db-1" }).click();
    await dialog.getByText("1 device in the list").waitFor();
    await look(page, "group-list");
    await finish(dialog, "Save");
    const row = rowOf(page, "one machine");
    await row.getByRole("button", { name: "Edit" }).click();
    const edit = dialogOf(page, "Edit one machine");
    await edit.getByRole("button", { name: "Take db-1 out" }).click();
    await edit.getByLabel("Description").fill("nobody now");
    await finish(edit, "Save");
    await row.getByText("nobody now").waitFor();
    await row.getByRole("button", { name: "Remove" }).click();
    const remove = dialogOf(page, "Remove one machine");
    await remove.getByText("Removes the group of 0 devices.").waitFor();
    await finish(remove, "Remove the group");
    await row.waitFor({ state: "detached" });
  });
});

/** Tries to save, which the form refuses with this sentence. */
async function finishNot(dialog: Locator, problem: string): Promise<void> {
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await dialog.getByText(problem).waitFor();
}

describe.skipIf(chromium === undefined)("policies and rings", () => {
  test("a policy is made with a window, a log pattern and a probe, changed and removed", async () => {
    const page = await scene.signIn([Role.author], { at: "/policies" });
    await page.getByRole("button", { name: "New policy" }).click();
    const dialog = dialogOf(page, "New policy");
    await dialog.getByLabel("Name").fill("Payments");
    await choose(
      page,
      dialog.getByRole("combobox", { name: "For the devices of" }),
      "databases (1)",
    );
    await page.keyboard.press("Escape");
    await dialog.getByRole("button", { name: "Add a window" }).click();
    await dialog.getByText("Sun", { exact: true }).click();
    await dialog.getByLabel("Hotpatches, too, wait").check();
    await dialog.getByRole("button", { name: "Add a log pattern" }).click();
    await finishNot(dialog, "Each log pattern needs the whole path of a file");
    await dialog.getByLabel("Log file").fill("/var/log/redis/redis.log");
    await dialog.getByLabel("Pattern", { exact: true }).fill("FATAL");
    await dialog.getByLabel("Probe command").fill('/usr/bin/redis-cli -x "a b"');
    await look(page, "policy-edit");
    await finish(dialog, "Save");
    const row = rowOf(page, "Payments");
    await row.getByText("Sun, Sat 22:00–04:00 (next day)").waitFor();
    await look(page, "policies");
    const author = await scene.server.person([Role.author]);
    const made = (await author("policies")).find(({ name }) => name === "Payments");
    expect(made?.settings.health).toMatchObject({
      logPatterns: [{ file: "/var/log/redis/redis.log", pattern: "FATAL" }],
      probe: { command: ["/usr/bin/redis-cli", "-x", "a b"] },
    });
    await row.getByRole("button", { name: "Edit" }).click();
    const edit = dialogOf(page, "Edit Payments");
    await choose(page, edit.getByRole("combobox", { name: "Hotpatch" }), "Block");
    await finish(edit, "Save");
    await row.getByText("Hotpatch Block").waitFor();
    await row.getByRole("button", { name: "Remove" }).click();
    const remove = dialogOf(page, "Remove Payments");
    await remove.getByText("the devices of databases (1)").waitFor();
    await finish(remove, "Remove the policy");
    await row.waitFor({ state: "detached" });
  });

  test("a ring is made, changed and removed; one with devices is not", async () => {
    const page = await scene.signIn([Role.author], { at: "/rings" });
    await look(page, "rings");
    await rowOf(page, "Test").getByRole("button", { name: "Remove" }).hover();
    await page.getByText("It has 1 device. Move them first.").waitFor();
    await page.getByRole("button", { name: "New ring" }).click();
    const dialog = dialogOf(page, "New ring");
    await dialog.getByLabel("Name").fill("Ring 4");
    await dialog.getByLabel("Deferral").fill("400");
    await finishNot(dialog, "At most 365.");
    await dialog.getByLabel("Deferral").fill("12");
    await dialog.getByText("Last moves to 5").waitFor();
    await look(page, "ring-edit");
    await finish(dialog, "Save");
    const row = rowOf(page, "Ring 4");
    await row.getByText("12 days").waitFor();
    await row.getByRole("button", { name: "Edit" }).click();
    const edit = dialogOf(page, "Edit Ring 4");
    await edit.getByLabel("Grace period").fill("7");
    await finish(edit, "Save");
    await row.getByText("7 days").waitFor();
    await row.getByRole("button", { name: "Remove" }).click();
    await finish(dialogOf(page, "Remove Ring 4"), "Remove the ring");
    await row.waitFor({ state: "detached" });
  });

  test("a refusal of the server stays in the form with its next step", async () => {
    const page = await scene.signIn([Role.author], { at: "/rings" });
    await page.getByRole("button", { name: "New ring" }).click();
    const dialog = dialogOf(page, "New ring");
    await dialog.getByLabel("Name").fill("Ring 1");
    await dialog.getByRole("button", { name: "Save" }).click();
    const alert = dialog.getByRole("alert");
    await alert.getByText("Next:").waitFor();
    expect(await findingsOf(page)).toEqual([]);
  });
});

describe.skipIf(chromium === undefined)("compliance", () => {
  test("is shown per CVE, per update and over time, and comes as CSV", async () => {
    const page = await scene.signIn([Role.viewer], { at: "/compliance" });
    const cves = page.getByRole("table", { name: "Compliance per CVE" });
    const row = cves.getByRole("row").filter({ hasText: "CVE-2026-1001" });
    await row.getByText("0 of 1").waitFor();
    const at = scene.server.clock.now().toISOString();
    const progress = [{ target: hotpatchTarget(1), state: "applied" as const, at }];
    const hotpatch = { hotpatch: "redis-2026-10-1", hotpatchSequence: 1 };
    await device.tell({ components: [runningComponent(hotpatch)] }, { progress });
    await scene.server.tick();
    await row.getByText("1 of 1").waitFor();
    await look(page, "compliance");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download as CSV" }).click(),
    ]);
    expect(await textOf(download)).toContain("db-1");
    await row.getByRole("link", { name: "CVE-2026-1001" }).click();
    await page.getByText("No device fits the filter.").waitFor();
  });
});

describe.skipIf(chromium === undefined)("settings", () => {
  test("an enrolment token is shown once, as the command to run, and withdrawn", async () => {
    const page = await scene.signIn([Role.admin], { at: "/settings" });
    await page.getByRole("button", { name: "New enrolment token" }).click();
    const dialog = dialogOf(page, "New enrolment token");
    await dialog.getByLabel("Name").fill("Zurich, rack 4");
    await dialog.getByLabel("Uses, at most").fill("3");
    await choose(page, dialog.getByRole("combobox", { name: "Ring" }), "Ring 1");
    await look(page, "enrolment-new");
    await finish(dialog, "Make the token");
    const command = dialogOf(page, "Run this on the machine");
    const text = (await command.getByRole("code").first().textContent()) ?? "";
    const [, token = ""] = /--token (\S+)/.exec(text) ?? [];
    await look(page, "enrolment-command");
    await finish(command, "Done");
    const row = rowOf(page, "Zurich, rack 4");
    await row.getByText("0 of 3").waitFor();
    const publicKey = "A".repeat(43);
    const body = { token, publicKey, hostname: "rack-4" };
    expect((await scene.server.ask("enrol", { body })).statusCode).toBe(200);
    await row.getByText("1 of 3").waitFor();
    await look(page, "enrolment");
    await row.getByRole("button", { name: "Withdraw" }).click();
    const withdraw = dialogOf(page, "Withdraw Zurich, rack 4");
    await withdraw.getByText("2 uses left. 1 device that used it stays enrolled.").waitFor();
    await finish(withdraw, "Withdraw the token");
    await row.waitFor({ state: "detached" });
  });

  test("an account is made, its roles are checked, and it is disabled", async () => {
    const page = await scene.signIn([Role.admin], { at: "/settings/accounts" });
    await page.getByRole("button", { name: "New account" }).click();
    const dialog = dialogOf(page, "New account");
    await dialog.getByLabel("Login").fill("anna");
    await dialog.getByLabel("Name").fill("Anna Author");
    await dialog.getByLabel("Password", { exact: true }).fill("short");
    await dialog.getByLabel("Author:").check();
    await dialog.getByLabel("Approver:").check();
    await finishNot(dialog, "An approver may be neither author nor operator");
    await dialog.getByText("At least 12 characters.").waitFor();
    await look(page, "account-new");
    await dialog.getByLabel("Approver:").uncheck();
    await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await finish(dialog, "Save");
    const row = rowOf(page, "Anna Author");
    await row.getByText("In use").waitFor();
    await look(page, "accounts");
    await row.getByRole("button", { name: "Edit" }).click();
    const edit = dialogOf(page, "Edit Anna Author");
    await edit.getByLabel("Disabled:").check();
    await finish(edit, "Save");
    await row.getByText("Disabled").waitFor();
    const body = { login: "anna", password: PASSWORD };
    expect((await scene.server.ask("signIn", { body })).statusCode).toBe(401);
  });

  test("an API token is shown once, works, and is withdrawn", async () => {
    const page = await scene.signIn([Role.admin], { at: "/settings/api-tokens" });
    await page.getByText("There is no API token.").waitFor();
    await page.getByRole("button", { name: "New API token" }).click();
    const dialog = dialogOf(page, "New API token");
    await dialog.getByLabel("Name").fill("CI");
    await dialog.getByLabel("Viewer:").check();
    await look(page, "api-token-new");
    await finish(dialog, "Make the token");
    const shown = dialogOf(page, "The new API token");
    const token = (await shown.getByRole("code").textContent()) ?? "";
    await finish(shown, "Done");
    const headers = { authorization: `Bearer ${token}` };
    const answer = await scene.server.ask("me", {}, headers);
    expect(answer.json()).toMatchObject({ kind: "token", roles: ["viewer"] });
    const row = rowOf(page, "CI");
    await look(page, "api-tokens");
    await row.getByRole("button", { name: "Withdraw" }).click();
    await finish(dialogOf(page, "Withdraw CI"), "Withdraw the token");
    await page.getByText("There is no API token.").waitFor();
    expect((await scene.server.ask("me", {}, headers)).statusCode).toBe(401);
  });
});

describe.skipIf(chromium === undefined)("the audit log", () => {
  test("is filtered, exported and verified", async () => {
    const page = await scene.signIn([Role.auditor], { at: "/audit" });
    await page.getByRole("cell", { name: "ring.create" }).waitFor();
    await page.getByLabel("Action").fill("account.create");
    await page.getByRole("cell", { name: "ring.create" }).waitFor({ state: "detached" });
    await page.getByLabel("Action").fill("");
    await page.getByRole("cell", { name: "ring.create" }).waitFor();
    await page.getByText("Detail").first().click();
    await look(page, "audit");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export" }).click(),
    ]);
    const [line = ""] = (await textOf(download)).split("\n");
    expect(JSON.parse(line)).toMatchObject({ index: 1 });
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await page.getByText("The chain is intact").waitFor();
    await look(page, "audit-verified");
  });

  test("that somebody changed is said to be broken, and where", async () => {
    const { database } = scene.server.store;
    await database.updateTable("audit").set({ who: "mallory" }).where("position", "=", 3).execute();
    const page = await scene.signIn([Role.auditor], { at: "/audit" });
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await page.getByText("The chain is broken at record 3.").waitFor();
    await look(page, "audit-broken");
  });
});

describe.skipIf(chromium === undefined)("a server that is gone", () => {
  test("is said to be, and comes back by itself", async () => {
    const page = await scene.signIn([Role.viewer], { at: "/devices" });
    await page.getByRole("link", { name: "db-1" }).waitFor();
    await page.context().setOffline(true);
    await page.getByLabel("Name", { exact: true }).fill("db");
    await page.getByText("The server cannot be reached.").waitFor();
    await look(page, "offline");
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("The server cannot be reached.").waitFor({ state: "detached" });
  });
});
