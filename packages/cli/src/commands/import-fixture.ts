/** What builds of a made-up package come to: two programs, and fixes of which one gets all. */
import type { BuildResult, BuiltHotpatch, DebRequest, FixReport } from "@suture/builder";
import type { Fix, FixVerdict, HotpatchManifest } from "@suture/release";

export const server = "b2bcad6d23563e10222dc42e7a9b0e07f5c56033";
export const tool = "51b393b724ce8d8c97b7b69923d5b1d28546facf";
const newest = { version: "2", fixedBy: "redis 3" };

export const component = (file: string, buildId: string, version: string) => ({
  ...{ file, buildId, package: "redis", version },
});

export const packageOf = ({ version, fixedBy } = newest) => ({
  ...{ name: "redis", version, fixedBy },
  components: [component("redis-server", server, version), component("redis-cli", tool, version)],
});

type InFile = FixReport["binaries"][number];
export const inFile = (file: string, buildId: string, verdict: InFile["verdict"]): InFile => ({
  ...{ file: `usr/bin/${file}`, buildId, verdict, functions: ["f"], onlyAtStart: [] },
  obstacles: verdict === "restart-needed" ? [obstacle] : [],
});
const obstacle = { code: "changed-data", name: "limit", detail: "3 becomes\n4" };
const inServer = inFile("redis-server", server, "in-hotpatch");

export const hotpatch = (
  request: DebRequest,
  [file, buildId]: readonly [string, string],
  { fixes, fixedBy }: { readonly fixes: readonly Fix[]; readonly fixedBy: string },
): BuiltHotpatch => {
  const sequence = request.sequenceOf?.(buildId) ?? 1;
  const manifest: HotpatchManifest = {
    ...{ format: 1, id: `${file}-${sequence}`, sequence, fixes },
    component: component(file, buildId, "2"),
    builtFrom: {
      ...{ source: "redis 2", fixedBy, compiler: "gcc", proof: "identical-build-id" },
      units: ["a.c"],
    },
  };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  return { bytes, manifest, description: {} as never, binary: "/x", file: `usr/bin/${file}` };
};

const fix = (cve: string, verdict: FixVerdict): Fix => ({
  ...{ cves: [cve], source: `${cve}.patch`, verdict, functions: ["f"] },
});

/** One fix in both programs, one in the server that the other cannot get. */
export const bothFixed = (request: DebRequest, fixedBy = "redis 3"): BuildResult => {
  const one = fix("CVE-2026-1001", "in-hotpatch");
  const two = fix("CVE-2026-1002", "in-hotpatch");
  const left = { ...fix("CVE-2026-1002", "restart-needed"), reason: "changed-data: limit" };
  return {
    hotpatches: [
      hotpatch(request, ["redis-server", server], { fixes: [one, two], fixedBy }),
      hotpatch(request, ["redis-cli", tool], { fixes: [one, left], fixedBy }),
    ],
    fixes: [
      {
        ...{ source: "CVE-2026-1001.patch", cves: ["CVE-2026-1001"], verdict: "in-hotpatch" },
        binaries: [inServer, inFile("redis-cli", tool, "in-hotpatch")],
      },
      {
        ...{ source: "CVE-2026-1002.patch", cves: ["CVE-2026-1002"], verdict: "restart-needed" },
        ...{ binaries: [inServer, inFile("redis-cli", tool, "restart-needed")], reason: "x" },
      },
    ],
    notes: ["look at this"],
    package: packageOf({ ...newest, fixedBy }),
  };
};
