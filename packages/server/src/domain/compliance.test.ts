import { ComplianceState, type ComponentFacts, DeviceUpdateState } from "@suture/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COMPLIANCE_RANK, complianceOf, type DeviceSituation } from "./compliance.ts";
import { type CatalogUpdate, indexCatalog } from "./quality-updates.ts";
import { draftOf, RELEASED } from "./rollout-fixture.ts";
import { updateOf } from "./update-fixture.ts";

const S = DeviceUpdateState;

const october = updateOf({ sequence: 0, cves: ["CVE-2026-0001"] });
const first = updateOf({ sequence: 1, cves: ["CVE-2026-1001"], released: "2026-10-20" });
const second = updateOf({
  sequence: 2,
  cves: ["CVE-2026-1002"],
  supersedes: [first.target],
  released: "2026-11-10",
});
const january = updateOf({
  sequence: 0,
  baseline: "2027-01",
  components: [{ file: "redis-server", buildId: "bb".repeat(8), package: "redis" }],
  cves: ["CVE-2026-1001", "CVE-2026-1002"],
  released: "2027-01-12",
});

const redis: ComponentFacts = {
  file: "/usr/bin/redis-server",
  buildId: "aa".repeat(8),
  package: "redis",
  version: "7.0.15-1",
  processes: 2,
  outdatedProcesses: 0,
  hotpatchedProcesses: 0,
};
const with1 = { ...redis, hotpatch: first.id, hotpatchSequence: 1, hotpatchedProcesses: 2 };
const with2 = { ...redis, hotpatch: second.id, hotpatchSequence: 2, hotpatchedProcesses: 2 };

interface Changes extends Partial<DeviceSituation> {
  readonly updates?: readonly CatalogUpdate[];
}

function judge(component: ComponentFacts, { updates, ...changes }: Changes = {}) {
  const situation: DeviceSituation = {
    readiness: "ready",
    findings: [],
    components: [component],
    rollouts: [],
    hotpatch: "allow",
    fleetPaused: false,
    ...changes,
  };
  return complianceOf(situation, indexCatalog(updates ?? [october, first, second]));
}

const inRollout = (
  update: CatalogUpdate,
  rollout: DeviceSituation["rollouts"][number]["rollout"]["state"],
  state: DeviceUpdateState,
  detail?: string,
): DeviceSituation["rollouts"][number] => {
  const draft = draftOf({ target: update.target, name: "R" });
  const groups = draft.groups.map((group) => ({ ...group, beganAt: RELEASED }));
  return {
    rollout: { ...draft, groups, state: rollout },
    group: 1,
    state,
    update,
    ...(detail && { detail }),
  };
};

describe("a component", () => {
  test("with the newest hotpatch is up to date, and its CVEs are fixed", () => {
    expect(judge(with2)).toMatchObject({
      compliance: "up-to-date-hotpatched",
      openCves: [],
      fixedCves: ["CVE-2026-0001", "CVE-2026-1001", "CVE-2026-1002"],
      updates: [
        { target: first.target, protected: true },
        { target: second.target, protected: true },
        { target: october.target, protected: true },
      ],
    });
  });

  test("with an older hotpatch lacks what the newer one fixes", () => {
    expect(judge(with1)).toMatchObject({
      compliance: "not-up-to-date",
      reason: "redis: No rollout brings redis-2026-10-2 to this device.",
      openCves: ["CVE-2026-1002"],
      fixedCves: ["CVE-2026-0001", "CVE-2026-1001"],
    });
  });

  test("with a hotpatch in some of its processes only has nothing", () => {
    const { hotpatch: _, ...half } = { ...with2, hotpatchedProcesses: 1 };
    expect(judge(half).openCves).toEqual(["CVE-2026-1001", "CVE-2026-1002"]);
  });

  test("whose newest hotpatch was withdrawn should have the one before; the CVE stays open", () => {
    const withdrawn = { ...second, withdrawn: { date: "2026-11-11", reason: "it leaks" } };
    expect(judge(with1, { updates: [october, first, withdrawn] })).toMatchObject({
      compliance: "up-to-date-hotpatched",
      openCves: ["CVE-2026-1002"],
    });
  });

  test("with a hotpatch that was withdrawn says so", () => {
    const withdrawn = { ...second, withdrawn: { date: "2026-11-11", reason: "it leaks" } };
    expect(judge(with2, { updates: [october, first, withdrawn] })).toMatchObject({
      compliance: "up-to-date-hotpatched",
      reason: "redis: Its hotpatch redis-2026-10-2 was withdrawn: it leaks",
    });
  });

  test("with a CVE that its hotpatch leaves out has that CVE open", () => {
    const leftOut = [{ source: "x.patch", cves: ["CVE-2026-1001"], reason: "changes a type" }];
    const updates = [october, first, { ...second, leftOut }];
    expect(judge(with2, { updates }).openCves).toEqual(["CVE-2026-1001"]);
  });

  test("without a hotpatch for it is up to date by its baseline", () => {
    expect(judge(redis, { updates: [october] })).toMatchObject({
      compliance: "up-to-date-restarted",
      fixedCves: ["CVE-2026-0001"],
    });
  });

  test("after the traditional update runs the next baseline", () => {
    const restarted = { ...redis, buildId: "bb".repeat(8) };
    expect(judge(restarted, { updates: [october, first, second, january] })).toMatchObject({
      compliance: "up-to-date-restarted",
      openCves: [],
      fixedCves: ["CVE-2026-1001", "CVE-2026-1002"],
    });
  });

  test("that no process runs any more is gone", () => {
    const found = judge({ ...redis, processes: 0 });
    expect(found.components).toEqual([]);
    expect(found.openCves).toEqual([]);
  });

  test("that the channel does not know is no fault", () => {
    expect(judge({ ...redis, buildId: "cc".repeat(8) }, { updates: [first] })).toMatchObject({
      compliance: "up-to-date-restarted",
      reason: "No update of the channel is for what runs here.",
    });
  });
});

describe("a newer baseline", () => {
  const updates = [october, first, second, january];

  test("waits for its planned restart while the hotpatch fixes as much", () => {
    expect(judge(with2, { updates })).toMatchObject({
      compliance: "up-to-date-hotpatched",
      reason: "redis: Baseline 2027-01 comes with the next planned restart.",
    });
  });

  test("counts as soon as it fixes more", () => {
    const more = { ...january, cves: [...january.cves, "CVE-2027-2001"] };
    expect(judge(with2, { updates: [october, first, second, more] })).toMatchObject({
      compliance: "not-up-to-date",
      reason: "redis: No rollout brings redis-2027-01-0 to this device.",
      openCves: ["CVE-2027-2001"],
    });
  });

  test("counts as soon as a rollout offers it", () => {
    const rollouts = [inRollout(january, "running", S.offered)];
    expect(judge(with2, { updates, rollouts })).toMatchObject({ compliance: "in-progress" });
  });
});

describe("the state of what is lacking comes from its rollout", () => {
  test.each<[string, string, Changes]>([
    ["in-progress", "Waits for Ring 1.", { rollouts: [inRollout(second, "running", S.waiting)] }],
    [
      "in-progress",
      "Offered; the device has not answered yet.",
      { rollouts: [inRollout(second, "completed", S.offered)] },
    ],
    ["paused", "The rollout R is halted.", { rollouts: [inRollout(second, "halted", S.offered)] }],
    [
      "not-up-to-date",
      "The processes refused it. A function is too short.",
      { rollouts: [inRollout(second, "running", S.refused, "A function is too short.")] },
    ],
    [
      "not-up-to-date",
      "A health signal reverted it.",
      { rollouts: [inRollout(second, "running", S.reverted)] },
    ],
    [
      "restart-pending",
      "A newer file is installed; restart it.",
      { rollouts: [inRollout(second, "running", S.restartPending)] },
    ],
    [
      "not-up-to-date",
      "The rollout R is not approved yet.",
      { rollouts: [inRollout(second, "draft", S.waiting)] },
    ],
    ["not-up-to-date", "The policy blocks hotpatches.", { hotpatch: "block" }],
    ["paused", "Everything is paused.", { fleetPaused: true }],
    [
      "in-progress",
      "Waits for Ring 1.",
      {
        rollouts: [
          inRollout(second, "stopped", S.waiting),
          inRollout(second, "running", S.waiting),
        ],
      },
    ],
  ])("%s: %s", (compliance, reason, changes) => {
    expect(judge(with1, changes)).toMatchObject({ compliance, reason: `redis: ${reason}` });
  });

  test("a device that is not ready says what to do", () => {
    const finding = {
      reason: "disk-full" as const,
      detail: "/var has 3 MB left",
      remediation: "make room",
    };
    const changes = { readiness: "not-ready" as const, findings: [finding] };
    expect(judge(with1, changes)).toMatchObject({
      compliance: "not-ready",
      reason: "Not ready: /var has 3 MB left; make room",
    });
    expect(judge(with2, changes)).toMatchObject({ compliance: "up-to-date-hotpatched" });
  });

  test("processes of a replaced file need a restart", () => {
    expect(judge({ ...with1, outdatedProcesses: 1 }).compliance).toBe("restart-pending");
    expect(judge({ ...with2, outdatedProcesses: 1 }).compliance).toBe("up-to-date-hotpatched");
  });
});

test("a device is as its worst component, whatever their order", () => {
  const components = fc.array(
    fc.constantFrom(redis, with1, with2, { ...redis, outdatedProcesses: 1 }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(components, (list) => {
      const found = judge(redis, { components: list });
      const ranks = found.components.map(({ compliance }) => COMPLIANCE_RANK[compliance]);
      expect(COMPLIANCE_RANK[found.compliance]).toBe(Math.min(...ranks));
      const turned = judge(redis, { components: [...list].reverse() });
      expect(turned.compliance).toBe(found.compliance);
      expect(turned.openCves).toEqual(found.openCves);
      for (const { openCves, fixedCves } of found.components) {
        expect(openCves.filter((cve) => fixedCves.includes(cve))).toEqual([]);
      }
    }),
  );
});

test("every state has a rank of its own", () => {
  const ranks = Object.values(ComplianceState).map((state) => COMPLIANCE_RANK[state]);
  expect(new Set(ranks).size).toBe(ranks.length);
});
