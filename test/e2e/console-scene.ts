/** The built console, served by a real server over a database of its own, in a real browser. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { Role } from "@suture/contract";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import {
  type EnrolOptions,
  openTestApp,
  PASSWORD,
  type TestApp,
  type TestDevice,
} from "../../packages/server/src/app-fixture.ts";
import {
  catalogOf,
  runningComponent,
  updateOfSequence,
} from "../../packages/server/src/channel-fixture.ts";
import { openPGliteStore } from "../../packages/server/src/store/store.ts";
import { buildConsole } from "./built-console.ts";

/** The browser of the system; undefined where there is none, which in CI is an error. */
export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name)));
  const path = found.find((file) => existsSync(file));
  if (path !== undefined) return path;
  if (process.env.CI) throw new Error("chromium is missing");
  console.warn(
    "SKIPPED: chromium is missing, so the console is not tried; apt-get install chromium",
  );
  return undefined;
}

export interface ConsoleScene {
  readonly server: TestApp;
  readonly url: string;
  /** A device that runs what the updates of the channel are for. */
  readonly enrolRedis: (options: EnrolRedisOptions) => Promise<TestDevice>;
  /** A page of somebody with these roles, signed in through the sign-in page. */
  readonly signIn: (roles: readonly Role[], options?: SignInOptions) => Promise<Page>;
  /** A page of nobody. */
  readonly open: (options?: SignInOptions) => Promise<Page>;
  /** What went wrong in any page since the last time: errors, violations, foreign requests. */
  readonly takeProblems: () => string[];
  readonly close: () => Promise<void>;
}

export interface EnrolRedisOptions extends Omit<EnrolOptions, "ringId"> {
  /** The ring's name. */
  readonly ring: string;
}

export interface SignInOptions {
  readonly scheme?: "light" | "dark";
  /** Of the account; the roles by default. */
  readonly login?: string;
  readonly at?: string;
}

/** For anything on a page to come: a busy machine is slow. */
const TIMEOUT_MS = 15_000;
/**
 * Rollouts move when the test says so: `server.tick()`. The channel has as many updates as are
 * asked for, and the catalog has them, too; without any there is no channel.
 */
export async function openConsole(
  executablePath: string,
  { updates = 0 }: { readonly updates?: number } = {},
): Promise<ConsoleScene> {
  const catalog = catalogOf(Array.from({ length: updates }, (_, at) => updateOfSequence(at)));
  const store = await openPGliteStore();
  const server = await openTestApp(store, {
    consoleFolder: buildConsole(),
    ...(updates > 0 && { readChannel: async () => catalog }),
  });
  // The browser has the real time, and shows how long ago things were.
  server.clock.forward(Date.now() - server.clock.now().getTime());
  const url = await server.app.listen({ host: "127.0.0.1", port: 0 });
  // Chromium's sandbox does not work for root.
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const problems: string[] = [];

  const open = async ({ scheme = "light", at = "/" }: SignInOptions = {}): Promise<Page> => {
    const page = await newPage(browser, scheme);
    watch(page, url, problems);
    await page.goto(url + at);
    return page;
  };
  const signIn = async (roles: readonly Role[], options: SignInOptions = {}): Promise<Page> => {
    const { login = roles.join(".") } = options;
    await server.person(roles, login);
    const page = await open(options);
    await page.getByLabel("Login").fill(login);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation", { name: "Pages", exact: true }).waitFor();
    return page;
  };
  if (updates > 0) await (await server.person([Role.author]))("refreshCatalog");
  return {
    server,
    url,
    enrolRedis: (options) => enrolRedis(server, options),
    signIn,
    open,
    takeProblems: () => problems.splice(0),
    async close() {
      await browser.close();
      await server.app.close();
      await store.close();
    },
  };
}

async function enrolRedis(
  server: TestApp,
  { ring, ...options }: EnrolRedisOptions,
): Promise<TestDevice> {
  const author = await server.person([Role.author]);
  const ringId = (await author("rings")).find(({ name }) => name === ring)?.id;
  if (ringId === undefined) throw new Error(`no ring is named ${ring}`);
  const device = await server.enrol({ ...options, ringId });
  await device.tell({ components: [runningComponent()] });
  return device;
}

async function newPage(browser: Browser, colorScheme: "light" | "dark"): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1360, height: 850 },
    colorScheme,
    locale: "en-GB",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(TIMEOUT_MS);
  return await context.newPage();
}

/** The console is quiet, breaks no rule of the server's policy, and asks its own server alone. */
function watch(page: Page, url: string, problems: string[]): void {
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isAnswer) problems.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) problems.push(`foreign: ${request.url()}`);
  });
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Finding {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** What axe-core finds on the page, one line a place. */
export async function findingsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const findings: readonly Finding[] = await page.evaluate(
    "axe.run(document).then(({ violations }) => violations)",
  );
  return findings.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html} ${failureSummary ?? ""}`),
  );
}

/** Nothing is found on the page, and there is a picture of it. */
export async function look(page: Page, name: string): Promise<void> {
  expect(await findingsOf(page)).toEqual([]);
  await takePictures(page, name);
}

/** Pictures of the page in light and dark, where SUTURE_SCREENSHOTS names a folder for them. */
export async function takePictures(page: Page, name: string): Promise<void> {
  const folder = process.env.SUTURE_SCREENSHOTS;
  if (folder === undefined) return;
  // Nothing is hovered, and what is fixed stands at the top.
  await page.mouse.move(0, 0);
  await page.evaluate("scrollTo(0, 0)");
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    const path = join(folder, `${name}-${colorScheme}.png`);
    await page.screenshot({ path, fullPage: true, animations: "disabled" });
  }
}
