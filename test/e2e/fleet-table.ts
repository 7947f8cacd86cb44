/** The table at the end of the fleet's story. */
import type { FleetReport } from "./clients.ts";
import type { Leaked, Secured } from "./rollout-scene.ts";

export interface Measured {
  readonly report: FleetReport;
  readonly secured: Secured;
  readonly leaked: Leaked;
}

/** One line a figure. */
export function tableOf({ report, secured, leaked }: Measured): readonly string[] {
  const lost = report.connections.filter(({ wrong }) => wrong !== undefined).length;
  const longest = (name: string): string => {
    const window = report.windows.find((entry) => entry.name === name);
    return window === undefined
      ? "-"
      : `${window.maxMs.toFixed(1)} ms of ${window.requests} (median ${window.medianMs.toFixed(2)})`;
  };
  const rows: readonly (readonly [string, string])[] = [
    ["the server stood still for the fix", `${secured.pauseMicroseconds.toFixed(0)} µs`],
    ["from publication to protected: this machine", seconds(secured.secondsToProtected)],
    [`the same, all ${secured.devices} devices in their rings`, seconds(secured.secondsToFleet)],
    ["from the leak's first moment to its revert", seconds(leaked.secondsToRevert)],
    ["memory that leaked until then", `${leaked.grewMiB.toFixed(0)} MiB`],
    ["devices that the halt spared", `${leaked.spared}`],
    ["requests, and failed ones", `${report.requests}, ${report.failed}`],
    ["messages published, and received", `${report.published}, ${report.received}`],
    ["connections, and lost ones", `${report.connections.length}, ${lost}`],
    ["longest round trip before", longest("before")],
    ["longest round trip while rolling out", longest("rollout")],
    ["longest round trip with the leak and its revert", longest("leak")],
  ];
  return rows.map(([name, value]) => `${name.padEnd(50)} ${value}`);
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;
