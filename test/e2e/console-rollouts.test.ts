/** The console: a rollout from the catalog to a live revert, as its people see it. */
import { Role } from "@suture/contract";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { TestDevice } from "../../packages/server/src/app-fixture.ts";
import { hotpatchTarget, runningComponent } from "../../packages/server/src/channel-fixture.ts";
import {
  type ConsoleScene,
  findChromium,
  findingsOf,
  look,
  openConsole,
  takePictures,
} from "./console-scene.ts";

const chromium = findChromium();
const HOUR_MS = 3_600_000;

let scene: ConsoleScene;
let first: TestDevice;
let second: TestDevice;

beforeAll(async () => {
  if (chromium === undefined) return;
  scene = await openConsole(chromium, { updates: 3 });
  first = await scene.enrolRedis({ hostname: "first", ring: "Test" });
  second = await scene.enrolRedis({ hostname: "second", ring: "Ring 1" });
});
afterAll(async () => await scene?.close());
afterEach(() => expect(scene?.takeProblems() ?? []).toEqual([]));

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name });

/** Opens a dialog by its button, checks what it says, and confirms it. */
async function confirm(page: Page, button: string, options: ConfirmOptions = {}): Promise<void> {
  const { effect, reason, verb = button } = options;
  await page.getByRole("button", { name: button, exact: true }).click();
  const dialog = page.getByRole("dialog");
  if (effect !== undefined) await dialog.getByText(effect).waitFor();
  expect(await findingsOf(page)).toEqual([]);
  if (reason !== undefined) await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: verb, exact: true }).click();
  await dialog.waitFor({ state: "detached" });
}
interface ConfirmOptions {
  readonly effect?: string;
  readonly reason?: string;
  readonly verb?: string;
}

/** The rollout's own state, and not that of a group. */
const state = (page: Page, text: string) =>
  page.getByRole("region", { name: "Rollout", exact: true }).getByText(text, { exact: true });

async function report(
  device: TestDevice,
  sequence: number,
  reported: "applied" | "reverted",
): Promise<void> {
  const hotpatch = { hotpatch: `redis-2026-10-${sequence}`, hotpatchSequence: sequence };
  const at = scene.server.clock.now().toISOString();
  const progress = {
    target: hotpatchTarget(sequence),
    state: reported,
    at,
    ...(reported === "reverted" && { signal: "crash" as const, detail: "exit by SIGSEGV" }),
  };
  await device.tell(
    { components: [runningComponent(reported === "applied" ? hotpatch : {})] },
    { progress: [progress] },
  );
  await scene.server.tick();
}

/** A rollout of an update, drafted and submitted, by the page of an author. */
async function draft(page: Page, id: string): Promise<void> {
  await page.goto(`${scene.url}/catalog`);
  const row = page.getByRole("row").filter({ hasText: id });
  await row.getByRole("button", { name: "Draft" }).click();
  await heading(page, "New rollout").waitFor();
}

describe.skipIf(chromium === undefined)("a rollout", () => {
  test("is drafted from the catalog", async () => {
    const page = await scene.signIn([Role.author], { at: "/catalog" });
    await page.getByText("redis-2026-10-1", { exact: true }).waitFor();
    await page.getByRole("table", { name: "Calendar" }).waitFor();
    await look(page, "catalog");
    const baseline = page.getByRole("row").filter({ hasText: "Baseline" }).first();
    await baseline.getByRole("button", { name: "Draft" }).hover();
    await page.getByText("A baseline comes by the package manager").waitFor();
    await draft(page, "redis-2026-10-1");
    expect(await page.getByLabel("Name").inputValue()).toBe("redis-2026-10-1");
    await page.getByText("Concerns 2 devices; 0 have it already.").waitFor();
    await page.getByLabel("Name").fill("");
    await page.getByRole("button", { name: "Create the draft" }).click();
    await page.getByText("Fill this in.").waitFor();
    await page.getByLabel("Name").fill("redis October");
    await page.getByLabel("Success threshold").fill("100");
    await page.getByLabel("Soak time", { exact: true }).fill("1");
    const expedite = page.getByLabel("Break-glass");
    expect(await expedite.isDisabled()).toBe(true);
    await look(page, "rollout-new");
    await page.getByRole("button", { name: "Create the draft" }).click();
    await heading(page, "redis October").waitFor();
    await state(page, "Draft").waitFor();
    await takePictures(page, "rollout-draft");
  });

  test("is submitted by its author, who may not approve it", async () => {
    const page = await scene.signIn([Role.author], { at: "/rollouts" });
    await page.getByRole("link", { name: "redis October" }).click();
    await confirm(page, "Submit", { effect: "Asks for approval to bring it to 2 devices" });
    await state(page, "Waiting for approval").waitFor();
    await page.getByRole("button", { name: "Approve" }).hover();
    await page.getByText("Your roles do not include approving rollouts.").waitFor();
  });

  test("is approved by another, and everybody who looks sees it at once", async () => {
    const author = await scene.signIn([Role.author], { at: "/rollouts" });
    await author.getByText("Waiting for approval").waitFor();
    await author.getByText("Live").waitFor();
    const page = await scene.signIn([Role.approver], { at: "/approvals" });
    const waiting = page.getByRole("table", { name: "Waiting for approval" });
    await waiting.getByRole("link", { name: "redis October" }).waitFor();
    await look(page, "approvals");
    await confirm(page, "Approve", { effect: "Starts the rollout to 2 devices" });
    await page.getByText("Nothing waits for an approval.").waitFor();
    await author.getByText("Running").waitFor();
  });

  test("shows its groups as steps, why each waits, and the devices in each state", async () => {
    const page = await scene.signIn([Role.viewer], { at: "/rollouts" });
    await page.getByRole("link", { name: "redis October" }).click();
    const groups = page.getByRole("region", { name: "Groups" });
    await groups.getByText("Running").waitFor();
    await groups.getByText("Waits until Test is through.").first().waitFor();
    await report(first, 1, "applied");
    await groups.getByText("Soaking").waitFor();
    await groups.getByText("Soaks for").waitFor();
    const devices = page.getByRole("table", { name: "Devices of the rollout" });
    await devices.getByRole("link", { name: "second" }).waitFor();
    const applied = "Applied, health is watched 1 of Test";
    await groups.getByRole("button", { name: applied }).click();
    await devices.getByRole("link", { name: "second" }).waitFor({ state: "detached" });
    await devices.getByRole("link", { name: "first" }).waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await devices.getByRole("link", { name: "second" }).waitFor();
    await look(page, "rollout-running");
    for (const name of ["Pause", "Stop", "Revert"]) {
      await page.getByRole("button", { name, exact: true }).hover();
      await page.getByText("Your roles do not include operating rollouts.").waitFor();
    }
  });

  test("is paused and resumed", async () => {
    const page = await scene.signIn([Role.operator], { at: "/rollouts" });
    await page.getByRole("link", { name: "redis October" }).click();
    await confirm(page, "Pause", { effect: "Nothing more is offered: 1 device", reason: "lunch" });
    await state(page, "Paused").waitFor();
    await confirm(page, "Resume", { effect: "Goes on to 1 device" });
    await state(page, "Running").waitFor();
    await page.getByRole("region", { name: "History" }).getByText("lunch").waitFor();
  });

  test("halts at a health signal: overview, alerts and the rollout say so", async () => {
    const page = await scene.signIn([Role.operator]);
    await heading(page, "Overview").waitFor();
    scene.server.clock.forward(HOUR_MS);
    await scene.server.tick();
    await report(second, 1, "reverted");
    const rollouts = page.getByRole("table", { name: "Active rollouts" });
    await rollouts.getByText("Halted").waitFor();
    await look(page, "overview");
    await page.getByRole("link", { name: "All alerts" }).click();
    await heading(page, "Alerts").waitFor();
    await look(page, "alerts");
    const halted = page.getByRole("row").filter({ hasText: "rollout-halted" });
    await halted.getByRole("button", { name: "Acknowledge" }).click();
    await halted.getByRole("cell", { name: "operator", exact: true }).waitFor();
    await halted.getByRole("link", { name: "Open the rollout" }).click();
    await heading(page, "redis October").waitFor();
    await page.getByText("It stopped by itself.").waitFor();
    await page.getByText("Signal: Crash.").waitFor();
    await look(page, "rollout-halted");
  });

  test("is reverted live with a reason, which is asked for", async () => {
    const page = await scene.signIn([Role.operator], { at: "/rollouts" });
    await page.getByRole("link", { name: "redis October" }).click();
    await page.getByRole("button", { name: "Revert", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Revert" }).click();
    await dialog.getByText("Write a reason").waitFor();
    await takePictures(page, "rollout-revert");
    await page.keyboard.press("Escape");
    await confirm(page, "Revert", { effect: "Reverts it live on", reason: "it crashes" });
    await state(page, "Reverting").waitFor();
    await report(first, 1, "reverted");
    await state(page, "Reverted").waitFor();
  });

  test("one device shows the hotpatch, its events and its progress", async () => {
    const at = scene.server.clock.now().toISOString();
    const event = { serial: 1, at, kind: "reverted" as const, detail: "2 processes" };
    await first.tell({ components: [runningComponent()] }, { events: [event] });
    const page = await scene.signIn([Role.viewer], { at: `/devices/${first.id}` });
    await page.getByRole("table", { name: "Events" }).getByText("2 processes").waitFor();
    const updates = page.getByRole("table", { name: "Quality updates" });
    await updates.getByText("redis/2026-10/").waitFor();
    await look(page, "device-reverted");
  });
});

describe.skipIf(chromium === undefined)("the other actions", () => {
  test("an approver rejects with a reason, and the author has the draft again", async () => {
    const author = await scene.signIn([Role.author]);
    await draft(author, "redis-2026-10-2");
    await author.getByLabel("Name").fill("redis November");
    await author.getByRole("button", { name: "Create the draft" }).click();
    await confirm(author, "Submit");
    const page = await scene.signIn([Role.approver], { at: "/approvals" });
    await confirm(page, "Reject", { effect: "Goes back to author", reason: "not on a Friday" });
    await state(author, "Draft").waitFor();
    await author.getByText("not on a Friday").first().waitFor();
    await confirm(author, "Submit");
    await page.getByRole("link", { name: "redis November" }).waitFor();
    await confirm(page, "Approve");
    await state(author, "Running").waitFor();
  });

  test("an operator begins the next group, retries, and stops", async () => {
    const page = await scene.signIn([Role.operator], { at: "/rollouts" });
    await page.getByRole("link", { name: "redis November" }).click();
    await confirm(page, "Next group", {
      effect: "Begins Ring 1 without waiting",
      reason: "urgent",
    });
    const ring1 = page.getByRole("listitem").filter({ hasText: "Ring 1" });
    await ring1.getByText("Running").waitFor();
    await report(first, 2, "reverted");
    await state(page, "Halted").waitFor();
    await confirm(page, "Resume", { effect: "Accepts the errors so far" });
    await confirm(page, "Retry", { effect: "Offers it again to" });
    await confirm(page, "Stop", { effect: "What is applied stays applied.", reason: "enough" });
    await state(page, "Stopped").waitFor();
  });

  test("expediting needs its permission and a reason", async () => {
    const page = await scene.signIn([Role.author, Role.operator]);
    await draft(page, "redis-2026-10-2");
    await page.getByLabel("Name").fill("redis at once");
    await page.getByLabel("Break-glass").check();
    await page.getByRole("button", { name: "Create the draft" }).click();
    await page.getByText("Fill this in.").waitFor();
    await page.getByLabel("Reason").fill("exploited since this morning");
    await page.getByRole("button", { name: "Create the draft" }).click();
    await heading(page, "redis at once").waitFor();
    await page.getByText("exploited since this morning").first().waitFor();
    await page.goto(`${scene.url}/rollouts`);
    await page.getByText("Expedited").waitFor();
    await look(page, "rollouts");
  });

  test("everything is paused and resumed, and every page says so meanwhile", async () => {
    const page = await scene.signIn([Role.operator]);
    const viewer = await scene.signIn([Role.viewer], { at: "/rings" });
    await viewer.getByText("Live").waitFor();
    await page.getByRole("button", { name: "Pause everything" }).click();
    await takePictures(page, "pause-everything");
    await page.keyboard.press("Escape");
    await confirm(page, "Pause everything", { effect: "on 2 devices", reason: "a bad feeling" });
    await viewer.getByText("Everything is paused.").waitFor();
    await look(page, "paused");
    await confirm(page, "Resume everything", { effect: "Ends the pause on 2 devices" });
    await viewer.getByText("Everything is paused.").waitFor({ state: "detached" });
  });

  test("a channel that is verified anew says when", async () => {
    const page = await scene.signIn([Role.author], { at: "/catalog" });
    scene.server.clock.forward(HOUR_MS);
    await page.getByRole("button", { name: "Verify the channel now" }).click();
    await page.getByText("The release channel was verified").waitFor();
  });
});
