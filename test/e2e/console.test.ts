/** The console: signing in, what stands around every page, devices. */
import { generateKeyPairSync } from "node:crypto";
import { Role } from "@suture/contract";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD, type TestDevice } from "../../packages/server/src/app-fixture.ts";
import { type ConsoleScene, findChromium, findingsOf, look, openConsole } from "./console-scene.ts";

const chromium = findChromium();
const BUILD_ID = "b2bcad6d23563e10222dc42e7a9b0e07f5c56033";

let scene: ConsoleScene;

beforeAll(async () => {
  if (chromium !== undefined) scene = await openConsole(chromium);
});
afterAll(async () => await scene?.close());
afterEach(() => expect(scene?.takeProblems() ?? []).toEqual([]));

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name });
const go = async (page: Page, name: string): Promise<void> => {
  await page
    .getByRole("navigation", { name: "Pages", exact: true })
    .getByRole("link", { name })
    .click();
  await heading(page, name).waitFor();
};

const redis = {
  file: "/usr/bin/redis-server",
  buildId: BUILD_ID,
  package: "redis-server",
  version: "5:7.0.15-1~deb12u1",
  processes: 2,
  outdatedProcesses: 1,
  hotpatchedProcesses: 0,
};

async function enrolDevices(names: readonly string[]): Promise<TestDevice[]> {
  const devices: TestDevice[] = [];
  for (const hostname of names) {
    const device = await scene.server.enrol({ hostname, tags: [`name:${hostname}`] });
    await device.tell({ components: [redis] });
    devices.push(device);
  }
  return devices;
}

/** Devices that have enrolled and said nothing else. */
async function enrolMany(count: number): Promise<void> {
  const admin = await scene.server.person([Role.admin]);
  const body = { name: "many", tags: [], validHours: 1, usesMax: count };
  const { token } = await admin("createEnrolmentToken", { body });
  for (let index = 0; index < count; index++) {
    const { x = "" } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
    const hostname = `many-${index + 10}`;
    const { statusCode } = await scene.server.ask("enrol", {
      body: { token, publicKey: x, hostname },
    });
    expect(statusCode).toBe(200);
  }
}

describe.skipIf(chromium === undefined)("signing in", () => {
  test("refuses a wrong password and says what to do next", async () => {
    await scene.server.person([Role.viewer], "vera");
    const page = await scene.open();
    await page.getByLabel("Login").fill("vera");
    await page.getByLabel("Password", { exact: true }).fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await alert.textContent()).toContain("Next: try again, or ask an admin");
    await look(page, "sign-in");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByLabel("Password", { exact: true }).press("Enter");
    await heading(page, "Overview").waitFor();
  });

  test("comes back to the page that was asked for", async () => {
    const page = await scene.signIn([Role.viewer], { at: "/rings" });
    await heading(page, "Rings").waitFor();
  });

  test("signs out, and a session that ended elsewhere ends here", async () => {
    const page = await scene.signIn([Role.viewer]);
    await page.getByRole("button", { name: "Account viewer" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    const other = await scene.signIn([Role.viewer]);
    await other.context().clearCookies();
    await other.getByRole("link", { name: "Devices" }).click();
    await other.getByRole("button", { name: "Sign in" }).waitFor();
  });
});

describe.skipIf(chromium === undefined)("an empty fleet", () => {
  test("tells the next step with the exact command", async () => {
    const page = await scene.signIn([Role.admin]);
    const command = `sudo suture agent enroll --server ${scene.url} \\\n    --token TOKEN`;
    await page.getByText("No device is enrolled yet.").waitFor();
    expect(await page.getByRole("code").first().textContent()).toContain(command);
    await look(page, "overview-empty");
    await page.getByRole("link", { name: "Make an enrolment token" }).click();
    await heading(page, "Settings").waitFor();
  });
});

describe.skipIf(chromium === undefined)("what stands around every page", () => {
  test("every page of the navigation opens, and axe finds nothing in light and dark", async () => {
    const page = await scene.signIn([Role.admin, Role.author, Role.operator]);
    const names = await page
      .getByRole("navigation", { name: "Pages", exact: true })
      .getByRole("link")
      .allInnerTexts();
    expect(names.length).toBe(12);
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const name of names) {
        await go(page, name);
        await page.getByRole("status", { name: "Loading" }).waitFor({ state: "detached" });
        expect(await findingsOf(page), `${name}, ${scheme}`).toEqual([]);
      }
    }
  });

  test("keys open pages, list themselves and go to the filter", async () => {
    const page = await scene.signIn([Role.viewer]);
    await heading(page, "Overview").waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await look(page, "shortcuts");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await heading(page, "Devices").waitFor();
    await page.keyboard.press("/");
    expect(await page.evaluate("document.activeElement.dataset.filter")).toBe("true");
  });

  test("the first key goes to the skip link, and it to the content", async () => {
    const page = await scene.signIn([Role.viewer], { at: "/rings" });
    await heading(page, "Rings").waitFor();
    await page.reload();
    await heading(page, "Rings").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
  });

  test("light and dark can be chosen, and the choice stays", async () => {
    const page = await scene.signIn([Role.viewer]);
    const scheme = "document.documentElement.dataset.mantineColorScheme";
    await page.getByRole("button", { name: "Show it dark" }).click();
    expect(await page.evaluate(scheme)).toBe("dark");
    await page.reload();
    await page.getByRole("button", { name: "Show it light" }).waitFor();
    expect(await page.evaluate(scheme)).toBe("dark");
  });

  test("pages that a role has no use for are not shown, and their address says why", async () => {
    const page = await scene.signIn([Role.viewer]);
    const pages = page.getByRole("navigation", { name: "Pages", exact: true });
    await pages.getByRole("link", { name: "Alerts" }).waitFor();
    expect(await pages.getByRole("link", { name: "Settings" }).count()).toBe(0);
    expect(await pages.getByRole("link", { name: "Audit" }).count()).toBe(0);
    await page.goto(`${scene.url}/settings/accounts`);
    await page.getByText("Your roles do not include administration.").waitFor();
  });

  test("an address that no page has says so", async () => {
    const page = await scene.signIn([Role.viewer], { at: "/no/such/page" });
    await heading(page, "Not found").waitFor();
  });
});

describe.skipIf(chromium === undefined)("devices", () => {
  let devices: TestDevice[];
  beforeAll(async () => {
    devices = await enrolDevices(["db-1", "db-2", "web-1"]);
    await devices[2]?.tell({
      readiness: "not-ready",
      findings: [
        { reason: "disk-full", detail: "0 bytes are free", remediation: "free 100 MB on /var" },
      ],
    });
  });

  test("are listed, filtered by the server, and the filter stands in the address", async () => {
    const page = await scene.signIn([Role.viewer]);
    await go(page, "Devices");
    const rows = page.getByRole("table", { name: "Devices" }).getByRole("row");
    await page.getByRole("link", { name: "web-1" }).waitFor();
    expect(await rows.count()).toBe(4);
    await look(page, "devices");
    await page.getByLabel("Name", { exact: true }).fill("db-");
    await page.getByRole("link", { name: "web-1" }).waitFor({ state: "detached" });
    expect(await rows.count()).toBe(3);
    expect(page.url()).toContain("search=db-");
    await page.getByLabel("Tag").fill("name:db-2");
    await page.getByRole("link", { name: "db-1" }).waitFor({ state: "detached" });
    expect(await rows.count()).toBe(2);
    await page.reload();
    await page.getByRole("link", { name: "db-2" }).waitFor();
    expect(await page.getByLabel("Tag").inputValue()).toBe("name:db-2");
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("link", { name: "web-1" }).waitFor();
    await page.getByLabel("Exposed to").fill("CVE-2024-46981");
    await page.getByText("No device fits the filter.").waitFor();
  });

  test("come in pages", async () => {
    const page = await scene.signIn([Role.viewer]);
    await enrolMany(50);
    await go(page, "Devices");
    await page.getByText("1–50 of 53 devices").waitFor();
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText("51–53 of 53 devices").waitFor();
    await page.getByRole("link", { name: "web-1" }).waitFor();
    await page.getByRole("button", { name: "Previous page" }).click();
    await page.getByText("1–50 of 53 devices").waitFor();
  });

  test("one device shows its components, and why it is not ready", async () => {
    const page = await scene.signIn([Role.viewer], { at: `/devices/${devices[2]?.id}` });
    await heading(page, "web-1").waitFor();
    await page.getByText("Next: free 100 MB on /var").waitFor();
    expect(await page.getByText("Disk full.").count()).toBe(1);
    expect(await page.getByText("Default").count()).toBeGreaterThan(0);
    await look(page, "device");
  });

  test("tags and ring can be edited", async () => {
    const page = await scene.signIn([Role.operator], { at: `/devices/${devices[0]?.id}` });
    await page.getByRole("button", { name: "Edit tags and ring" }).click();
    const dialog = page.getByRole("dialog", { name: "Edit db-1" });
    await dialog.getByLabel("Tags").fill("Not A Tag");
    await dialog.getByLabel("Tags").press("Enter");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByText("small letters, digits").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Edit tags and ring" }).click();
    await dialog.getByLabel("Tags").fill("env:production");
    await dialog.getByLabel("Tags").press("Enter");
    await dialog.getByRole("combobox", { name: "Ring" }).click();
    await page.getByRole("option", { name: "Ring 1" }).click();
    await look(page, "device-edit");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.getByText("env:production").waitFor();
    expect(await page.getByRole("definition").filter({ hasText: "Ring 1" }).count()).toBe(1);
  });

  test("a viewer sees why editing is not offered", async () => {
    const page = await scene.signIn([Role.viewer], { at: `/devices/${devices[0]?.id}` });
    const button = page.getByRole("button", { name: "Edit tags and ring" });
    await button.hover();
    await page.getByText("Your roles do not include editing devices.").waitFor();
    await button.press("Enter");
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(await page.getByRole("button", { name: "Remove" }).count()).toBe(0);
  });

  test("a device is removed after a question, and the list shows it at once elsewhere", async () => {
    const elsewhere = await scene.signIn([Role.viewer], { at: "/devices?search=db-2" });
    await elsewhere.getByRole("link", { name: "db-2" }).waitFor();
    await elsewhere.getByText("Live").waitFor();
    const page = await scene.signIn([Role.admin], { at: `/devices/${devices[1]?.id}` });
    await page.getByRole("button", { name: "Remove" }).click();
    const dialog = page.getByRole("dialog", { name: "Remove db-2" });
    await dialog.getByText("Forgets 1 device with 1 component").waitFor();
    expect(await findingsOf(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Remove the device" }).click();
    await heading(page, "Devices").waitFor();
    await elsewhere.getByText("No device fits the filter.").waitFor();
  });
});
