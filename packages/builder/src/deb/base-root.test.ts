import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Archive } from "./archive.ts";
import { obtainBaseRoot } from "./base-root.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("SKIPPED: base roots are made by root only");

let folder = "";
let archive: Archive;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "suture-base-")));
  for (const name of ["apt/sources", "apt/lists", "bin"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const sources = "deb [signed-by=/keys/a.gpg] http://a.example/debian stable main contrib\n";
  writeFileSync(
    join(folder, "apt/sources/1.list"),
    `${sources}deb http://a.example/s updates main\n`,
  );
  writeRelease("Sat, 01 Aug 2026 00:00:00 UTC");
  // No mmdebstrap and no debootstrap, whatever this machine has.
  for (const name of ["setpriv", "unshare", "true", "rm", "apt-config"]) {
    symlinkSync(`/usr/bin/${name}`, join(folder, "bin", name));
  }
  archive = {
    cacheFolder: folder,
    sourceParts: join(folder, "apt/sources"),
    lists: join(folder, "apt/lists"),
    aptOptions: [],
    env: { PATH: join(folder, "bin") },
    sourceRecords: async () => [],
    binaryRecords: async () => [],
    suitesOf: async () => [],
    fetchSource: async () => undefined,
    fetchBinary: async () => undefined,
  };
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const writeRelease = (date: string): void =>
  writeFileSync(
    join(folder, "apt/lists/a.example_debian_dists_stable_InRelease"),
    `Date: ${date}\n`,
  );

/** A tool that writes down its arguments and makes an empty root of the one with that number. */
const addTool = (name: string, target: string): void =>
  writeFileSync(
    join(folder, "bin", name),
    `#!/bin/sh
PATH=/usr/bin:/bin
printf '%s\\n' "$@" >'${folder}/arguments'
mkdir -p "${target}/usr/sbin" "${target}/etc/dpkg/dpkg.cfg.d"
`,
    { mode: 0o755 },
  );

const obtain = async () => {
  const steps: string[] = [];
  const result = await obtainBaseRoot(archive, (step) => steps.push(step));
  return { result, steps };
};

test("is not made by users other than root, who are told so", async () => {
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  expect((await obtain()).result).toMatchObject({
    refused: "not-root",
    next: "run the same command as root; nothing is installed on this machine",
  });
});

describe.skipIf(!isRoot && process.env.CI === undefined)("a base root", () => {
  test("is refused without a tool that makes it, by its name", async () => {
    expect((await obtain()).result).toMatchObject({
      refused: "missing-tool",
      items: [{ name: "mmdebstrap" }],
      next: "apt-get install mmdebstrap",
    });
    expect(readdirSync(join(folder, "roots"))).toEqual(["mnt"]);
  });

  test("is refused in a container that may not mount", async () => {
    rmSync(join(folder, "bin/unshare"));
    const text = "#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n";
    writeFileSync(join(folder, "bin/unshare"), text, { mode: 0o755 });
    expect((await obtain()).result).toMatchObject({
      refused: "not-root",
      items: [{ detail: expect.stringContaining("Operation not permitted") }],
    });
  });

  test("is made of the first suite, once for a release of it", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
    addTool("debootstrap", "${5}");
    const first = await obtain();
    expect(first.result).toMatchObject({ suite: "stable" });
    expect(first.steps).toHaveLength(1);
    if ("refused" in first.result) throw new Error("refused");
    const root = join(folder, "roots", first.result.name);
    const [variant, components, keyring, suite, target, uri] = readFileSync(
      join(folder, "arguments"),
      "utf8",
    ).split("\n");
    expect([variant, components, keyring, suite, uri]).toEqual([
      "--variant=buildd",
      "--components=main,contrib",
      "--keyring=/keys/a.gpg",
      "stable",
      "http://a.example/debian",
    ]);
    expect(existsSync(target ?? "")).toBe(false);
    expect(readFileSync(join(root, "usr/sbin/policy-rc.d"), "utf8")).toContain("exit 101");
    expect(await obtain()).toEqual({ result: first.result, steps: [] });
    writeRelease("Sun, 02 Aug 2026 00:00:00 UTC");
    expect((await obtain()).steps).toHaveLength(1);
  });

  test("is made by mmdebstrap where that is there, of a file with that suite only", async () => {
    addTool("debootstrap", "/nowhere");
    writeFileSync(
      join(folder, "bin/mmdebstrap"),
      `#!/bin/sh
PATH=/usr/bin:/bin
for word do last=$word; [ "$word" = "" ] && next=1 && continue; [ "$next" = 1 ] && target=$word && next=; done
cp "$last" '${folder}/used'
mkdir -p "$target/usr/sbin" "$target/etc/dpkg/dpkg.cfg.d"
`,
      { mode: 0o755 },
    );
    expect((await obtain()).result).toMatchObject({ suite: "stable" });
    expect(readFileSync(join(folder, "used"), "utf8")).toBe(
      "deb [signed-by=/keys/a.gpg] http://a.example/debian stable main contrib\n",
    );
  });

  test("that another process left unfinished is removed when that is gone", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
    addTool("debootstrap", "${5}");
    const unused = Number(readFileSync("/proc/sys/kernel/pid_max", "utf8")) + 1;
    const [left, busy] = [`base-x.${unused}`, `base-x.${process.ppid}`];
    for (const name of [left, busy]) mkdirSync(join(folder, "roots", name), { recursive: true });
    await obtain();
    const names = readdirSync(join(folder, "roots"));
    expect(names).not.toContain(left);
    expect(names).toContain(busy);
  });
});
